/** What a node does beside its resources' own work: it collects what it earned, and answers demands on chain. */
export { type DemandParts, demandLoop } from './demands.ts'
export { type EarnParts, earnLoop } from './earn.ts'
export { compact } from './redeem.ts'
