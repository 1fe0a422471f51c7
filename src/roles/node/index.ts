/** What a node does beside its resources' own work: it collects what it earned. */
export { compact, type EarnParts, earnLoop, ownerProof } from './earn.ts'
