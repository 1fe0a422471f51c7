/** What an auditor does: trust nothing. */
export { type AuditOutcome, type AuditParts, type AuditSubject, audit } from './audit.ts'
export { firstDifference } from './difference.ts'
