/**
 * Remembers what each member of a set signed. A signature is a promise that its signer says nothing else for that slot, and
 * two that exclude each other cost its stake (DisputeManager.submitRootEquivocation), if somebody kept both.
 */
import { type Account, account } from '../../protocol/ids.ts'
import { type RootMessage, type RootSet, rootMessageHash } from '../../protocol/roots.ts'
import { toHex } from '../../std/bytes.ts'
import type { RootSlot, SignedContent } from './book.ts'
import type { VerifierParts } from './settle-epoch.ts'

/** A slot with its set; of `message`, all but the content names what is signed. */
export interface Witnessed {
  readonly slot: RootSlot
  readonly set: RootSet
  readonly message: RootMessage
}

export interface Testimony {
  readonly signer: Account
  readonly content: SignedContent
  /** Whether it was not known before; then it is on the disk now. */
  readonly isNew: boolean
}

type Parts = {
  readonly rt: Pick<VerifierParts['rt'], 'crypto' | 'log' | 'chain'>
  readonly book: Pick<VerifierParts['book'], 'see' | 'seen'>
}

/** What a signature is over: the EIP-712 hash for RootQuorum. */
export const quorumHash = ({ crypto, chain }: Parts['rt'], message: RootMessage): Uint8Array =>
  rootMessageHash(crypto, chain.chainId, chain.addresses.quorum, message)

/**
 * Keeps those of `contents` that members of the set signed, and says whose they are; the rest proves nothing about anybody.
 * What was known already is left out, before it costs the recovery of a key.
 */
export function witness({ rt, book }: Parts, contents: readonly SignedContent[], of: Witnessed): readonly Testimony[] {
  const known = new Set(book.seen(of.slot).map(({ signature }) => toHex(signature)))
  return contents.flatMap((content) => {
    if (known.has(toHex(content.signature))) return []
    const { root, total, dataHash, signature } = content
    const recovered = rt.crypto.secp256k1.recover(quorumHash(rt, { ...of.message, root, total, dataHash }), signature)
    const signer = recovered === null ? null : account(`0x${toHex(recovered)}`)
    if (signer === null || !of.set.members.some((member) => member.account === signer)) {
      rt.log.warn('a signature is of nobody in the set', { signer, epoch: of.slot.epoch })
      return []
    }
    const seen = book.see(of.slot, signer, content)
    if (seen === 'conflict') {
      // Error: whoever runs this verifier is paid for bringing it to the chain.
      const todo = 'cairn verifier equivocation submit'
      rt.log.error('a verifier signed two roots for one slot; its stake answers for it', { verifier: signer, ...of.slot, todo })
    }
    return [{ signer, content, isNew: seen !== 'again' }]
  })
}
