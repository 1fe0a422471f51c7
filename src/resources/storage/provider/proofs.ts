/** Claims and proofs: what the provider answers for in an epoch, fixed before it begins, and the answers. */
import { CairnError } from '../../../protocol/errors.ts'
import { bytesOf, type Digest, digestOf, type Epoch, epoch as toEpoch } from '../../../protocol/ids.ts'
import { equalBytes } from '../../../std/bytes.ts'
import { answerHash } from '../../settle.ts'
import { challengeOf, nonceCommitment } from '../challenge.ts'
import { prove, sameHead } from '../data-set.ts'
import {
  challengeSchema,
  claimSchema,
  type ProofReply,
  type ProofRequest,
  proofSchema,
  type SetHead,
  type StorageChallenge,
  type StorageClaim,
} from '../messages.ts'
import type { ProviderContext } from './context.ts'
import type { SetDesk } from './sets.ts'

const CLAIMS_PAGE = 128

type Claims = ProofRequest & { readonly op: 'claims' }
type Prove = ProofRequest & { readonly op: 'prove' }
type Answer = (ProofReply & { readonly is: 'answers' })['answers'][number]

const refused = (code: string, why: string): ProofReply => ({ is: 'refused', code, why: why.slice(0, 500) })

export interface ProofDesk {
  claims(request: Claims): ProofReply
  prove(request: Prove): Promise<ProofReply>
  /** What is answered for in an epoch, in the order of sets; the first call fixes it. */
  all(epoch: Epoch): readonly StorageClaim[]
  /** Shows the byte of a challenge without a verifier who asked for it; or says which piece is lost. */
  show(challenge: StorageChallenge): Promise<Shown>
  signed(head: SetHead): SignedSet
}

/** What a provider knows of the set of a head that somebody shows it. */
export type SignedSet =
  /** The set of another device. */
  | { readonly is: 'foreign' }
  /** It has not signed this head, or has forgotten it because newer ones replaced it. `newest`: its last co-signed head. */
  | { readonly is: 'unknown'; readonly newest: StorageClaim | null }
  /** It can show every byte of the head's version, unless something is lost. */
  | { readonly is: 'signed'; readonly newest: StorageClaim }

type Shown = Awaited<ReturnType<typeof prove>>

export function createProofDesk(at: ProviderContext, sets: SetDesk): ProofDesk {
  const { options, ledger, pieces } = at
  const { chain, net, device } = options
  const { crypto } = options.runtime

  /** The verifier must have bound itself to its nonce, and the seed be the chain's: else it could choose what it asks. */
  function checkDraw(request: Prove): ProofReply | null {
    if (request.net !== net) return refused('other-network', `this provider serves network ${net}`)
    const seed = chain.epochSeed(net, toEpoch(request.epoch))
    if (seed.is !== 'seed') return refused('no-seed', `the seed of epoch ${request.epoch} is ${seed.is}`)
    if (!equalBytes(bytesOf(seed.seed), request.epochSeed)) return refused('wrong-seed', 'the seed is not the chain’s')
    const committed = chain.nonceCommit(net, toEpoch(request.epoch), request.verifier)
    if (committed === null || committed !== nonceCommitment(crypto, request.nonce)) {
      return refused('wrong-nonce', 'the nonce does not open what the verifier committed')
    }
    return null
  }

  function sameChallenge(a: StorageChallenge, b: StorageChallenge): boolean {
    return a.position === b.position && a.version === b.version && a.root === b.root && a.count === b.count && a.totalBytes === b.totalBytes
  }

  function show(challenge: StorageChallenge): Promise<Shown> {
    const set = sets.load(challenge.setId, challenge.version)
    return prove(set, Number(challenge.position), (pieceId: Digest, index) => pieces.prove(pieceId, index))
  }

  async function answer(request: Prove, challenge: StorageChallenge, claimed: StorageClaim | null): Promise<Answer> {
    const head = claimed?.head ?? null
    const context = {
      net,
      epoch: toEpoch(request.epoch),
      verifier: request.verifier,
      subject: device.id,
      claim: claimed === null ? new Uint8Array(0) : claimSchema.encode(claimed),
      slot: challenge.slot,
    }
    const refusal = (code: string, why: string): Answer => ({
      is: 'refusal',
      code,
      why,
      signature: device.sign(answerHash(crypto, context, { code, why })),
    })
    if (head === null) return refusal('not-claimed', 'the set was not claimed for this epoch')
    if (head.totalBytes === 0n) return refusal('empty', 'an empty set has no byte to show')
    const draw = { epochSeed: request.epochSeed, nonce: request.nonce, device: device.id, slot: challenge.slot }
    if (!sameChallenge(challenge, challengeOf(crypto, head, draw))) return refusal('wrong-challenge', 'the draw gives another challenge')
    const made = await show(challenge)
    if (!made.ok) return refusal('lost', `piece ${made.lost} can not be read`)
    const proof = proofSchema.encode(made.proof)
    return { is: 'proof', proof, signature: device.sign(answerHash(crypto, context, { blob: digestOf(crypto.sha256(proof)) })) }
  }

  function signed(head: SetHead): SignedSet {
    if (head.net !== net || head.setId !== at.setIdOf(head.customer)) return { is: 'foreign' }
    const newest = ledger.lastHead(head.setId)?.claim ?? null
    const kept = ledger.head(head.setId, head.version)?.claim ?? null
    if (newest === null || kept === null || !sameHead(at.headHash, kept.head, head)) return { is: 'unknown', newest }
    return { is: 'signed', newest }
  }

  return {
    show,
    signed,
    all(epoch) {
      if (!ledger.isClaimed(epoch)) ledger.fixClaims(epoch)
      const out: StorageClaim[] = []
      for (let after: Digest | null = null; ; after = out.at(-1)?.head.setId ?? null) {
        const page = ledger.claims(epoch, after, CLAIMS_PAGE)
        out.push(...page)
        if (page.length < CLAIMS_PAGE) return out
      }
    },
    claims(request) {
      const current = at.epoch()
      if (request.net !== net) return refused('other-network', `this provider serves network ${net}`)
      if (current === null) return refused('not-ready', 'the network is not known yet')
      if (request.epoch < current - 1 || request.epoch > current + 1) return refused('other-epoch', `the running epoch is ${current}`)
      // Whoever asks first fixes them for all: two verifiers never see different claims.
      if (!ledger.isClaimed(request.epoch)) ledger.fixClaims(request.epoch)
      const page = ledger.claims(request.epoch, request.after, CLAIMS_PAGE + 1)
      const claims = page.slice(0, CLAIMS_PAGE).map((claim) => claimSchema.encode(claim))
      return { is: 'claims', claims, more: page.length > CLAIMS_PAGE }
    },
    async prove(request) {
      const refusal = checkDraw(request)
      if (refusal !== null) return refusal
      const answers: Answer[] = []
      for (const bytes of request.challenges) {
        let challenge: StorageChallenge
        try {
          challenge = challengeSchema.decode(bytes)
        } catch (error) {
          if (error instanceof CairnError) return refused('malformed', error.message)
          throw error
        }
        const claim = ledger.claim(request.epoch, challenge.setId)
        answers.push(await answer(request, challenge, claim))
      }
      return { is: 'answers', answers }
    },
  }
}
