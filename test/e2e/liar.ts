/**
 * A verifier that lies: the daemon of all verifiers, with a settlement that takes everything from the device named by
 * CAIRN_HURT. It collects and commits the same evidence as the others; only what it makes of it, and signs, is bent.
 */
import { parseArgs } from 'node:util'
import { verifierDaemon } from '../../src/cli/daemon/verifier.ts'
import { ppm } from '../../src/protocol/units.ts'
import type { Kind, Resource } from '../../src/resources/resource.ts'
import { storage } from '../../src/resources/storage/index.ts'

const { data } = parseArgs({ options: { data: { type: 'string' } } }).values
const honest = storage as unknown as Resource<Kind>
const hurt = process.env['CAIRN_HURT']

await verifierDaemon(data ?? '', {
  ...honest,
  score(group, carry) {
    const { scores, carry: next } = honest.score(group, carry)
    return { scores: scores.map((score) => (score.subject === hurt ? { ...score, score: ppm(0) } : score)), carry: next }
  },
})
