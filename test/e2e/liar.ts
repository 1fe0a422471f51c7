/**
 * A verifier that lies: the daemon of all verifiers, with a settlement that takes everything from the device named by
 * CAIRN_HURT. It collects and commits the same evidence as the others; only what it makes of it, and signs, is bent. And it
 * has two faces: of those who ask for its signature, every second one is shown another root for the same slot.
 */
import { parseArgs } from 'node:util'
import { verifierDaemon } from '../../src/cli/daemon/verifier.ts'
import { rootMessageHash } from '../../src/protocol/roots.ts'
import { ppm } from '../../src/protocol/units.ts'
import type { Kind, Resource } from '../../src/resources/resource.ts'
import { storage } from '../../src/resources/storage/index.ts'
import type { Book, VerifierParts } from '../../src/roles/verifier/index.ts'

const { data } = parseArgs({ options: { data: { type: 'string' } } }).values
const honest = storage as unknown as Resource<Kind>
const hurt = process.env['CAIRN_HURT']

const unjust: Resource<Kind> = {
  ...honest,
  score(group, carry) {
    const { scores, carry: next } = honest.score(group, carry)
    return { scores: scores.map((score) => (score.subject === hurt ? { ...score, score: ppm(0) } : score)), carry: next }
  },
}

function twoFaced(parts: VerifierParts): VerifierParts {
  const { rt, book, net, signRoot } = parts
  let asked = 0
  const signed: Book['signed'] = (slot) => {
    const one = book.signed(slot)
    asked += 1
    if (one === null || signRoot === null || asked % 2 === 0) return one
    const other = { root: one.root, total: one.total + 1n, dataHash: one.dataHash }
    const message = { net, asset: rt.chain.addresses.token, ...slot, ...other }
    return { ...other, signature: signRoot(rootMessageHash(rt.crypto, rt.chain.chainId, rt.chain.addresses.quorum, message)) }
  }
  return { ...parts, book: { ...book, signed } }
}

await verifierDaemon(data ?? '', { resource: unjust, bend: twoFaced })
