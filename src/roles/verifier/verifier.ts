/**
 * A verifier's epoch on one screen: commit a nonce before it, challenge during it, commit the evidence after it, and
 * once no more evidence counts, settle and publish. Every step is found again after a crash from what is on disk and on
 * chain; a step that came too late is given up and says so.
 */
import { CairnError } from '../../protocol/errors.ts'
import { type DeviceId, type Digest, type Epoch, epoch as epochOf } from '../../protocol/ids.ts'
import type { UnixMs } from '../../protocol/units.ts'
import { epochTimes } from '../../resources/epoch-facts.ts'
import { packEvidence } from '../../resources/evidence.ts'
import { createOwnerParts } from '../../resources/owner-part.ts'
import { serveFiles } from '../../resources/peers.ts'
import type { Asking, Collected, Seen } from '../../resources/resource.ts'
import { nonceHash } from '../../resources/settle.ts'
import { type AskDesk, createAskDesk } from './ask.ts'
import { nominateSelf } from './nominate.ts'
import { probeSubjects } from './probe.ts'
import { pruneEvidence } from './prune.ts'
import { settleAndPublish } from './publish.ts'
import { createQuorum, type Quorum } from './quorum.ts'
import { once, type VerifierParts } from './settle-epoch.ts'

/** How often the verifier looks at the time: often enough for the shortest epochs. */
const TICK_MS = 500
/** Packing and saving the evidence of an epoch takes less, and must be done when it ends. */
const PACK_MS = 1_000
/** Nonces are committed this many epochs ahead, so that one late block does not cost an epoch. */
const AHEAD = 2
/** Epochs looked back at after a start; older ones are out of their window. */
const LOOK_BACK = 4

/** What is forgotten with the process. */
interface Memory {
  /** Nominations that were tried. */
  readonly tried: Set<string>
  readonly asks: AskDesk
}

export async function runVerifier(parts: VerifierParts, signal: AbortSignal): Promise<void> {
  const { rt, book } = parts
  const read = (digest: Digest): Promise<Uint8Array | null> => book.readFile(digest)
  serveFiles(
    rt.network,
    read,
    createOwnerParts(rt.crypto, read, () => claimable(parts)),
  )
  const quorum = createQuorum(parts)
  const memory: Memory = { tried: new Set(), asks: createAskDesk(parts, parts.peers.length === 0) }
  while (!signal.aborted) {
    try {
      await tick(parts, quorum, memory, signal)
    } catch (error) {
      if (signal.aborted) break
      rt.log.warn('a step of the epoch failed and is tried again', { why: String(error) })
    }
    await rt.clock.sleep(TICK_MS, signal).catch(() => undefined)
  }
}

/** Settlements that providers claim from: that of the newest active root, and those beside it, for who is a few blocks behind or ahead. */
function claimable({ rt, net }: VerifierParts): readonly Digest[] {
  const roots = rt.chain.roots(net).filter((root) => root.state === 'active' || root.state === 'pending')
  const last = roots.findLastIndex((root) => root.state === 'active')
  return roots.slice(Math.max(0, last - 1), last + 2).map((root) => root.dataHash)
}

async function tick(parts: VerifierParts, quorum: Quorum, memory: Memory, signal: AbortSignal): Promise<void> {
  const { rt, net } = parts
  const network = rt.chain.network(net)
  const head = rt.chain.head()
  if (network === null || head === null) return
  const current = epochOf(Math.floor(head.timestamp / network.epochSeconds))
  // What is confirmed lies blocks behind: by then the shortest window to commit in would be over. A transaction that the
  // clock sends too early is refused and sent again.
  const now = Math.max(head.timestamp, Math.floor(rt.clock.now() / 1000))
  const running = Math.floor(now / network.epochSeconds)
  for (let ahead = 1; ahead <= AHEAD; ahead += 1) await commitNonce(parts, epochOf(running + ahead))
  // Beside the rest: it may take all of the epoch, in whose first quarter the bundle of the one before is due.
  once(parts, `collect:${net}:${current}`, () =>
    collect(parts, current, memory.asks, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error
    }),
  )
  await pruneEvidence(parts, network.epochSeconds, now)
  const byQuorum = network.publisher === rt.chain.addresses.quorum
  for (let back = LOOK_BACK; back >= 1; back -= 1) {
    if (running < back) continue
    const epoch = epochOf(running - back)
    const { ends, cutoff } = epochTimes(network.epochSeconds, epoch)
    if (now >= ends && now < cutoff) await commitBundle(parts, epoch)
    if (head.timestamp >= cutoff && !byQuorum) await settleAndPublish(parts, epoch)
  }
  if (!byQuorum) return
  nominateSelf(parts, now, memory.tried)
  // Beside the rest: another verifier that does not answer must not cost this one an epoch.
  once(parts, 'quorum', () => quorum.turn(head))
}

async function commitNonce(parts: VerifierParts, epoch: Epoch): Promise<void> {
  const { rt, book, net, signer } = parts
  if (rt.chain.nonceCommit(net, epoch, signer.account) !== null) return
  const nonce = book.nonce(epoch, () => rt.random.bytes(32))
  const key = `nonce:${net}:${epoch}`
  once(parts, key, async () => {
    const outcome = await signer.send({
      contract: 'evidence',
      function: 'commitNonce',
      args: [net, epoch, nonceHash(rt.crypto, nonce)],
      key,
    })
    if (outcome.is === 'reverted') rt.log.warn('a nonce was refused', { epoch, error: outcome.error })
  })
}

/** Asks every registered subject, once, at a moment of the epoch that the nonce decides and nobody else can know. */
async function collect(parts: VerifierParts, epoch: Epoch, asks: AskDesk, signal: AbortSignal): Promise<void> {
  const { rt, book, net, signer } = parts
  const row = book.get(epoch)
  if (row === null || row.state !== 'committed') return
  if (rt.chain.nonceCommit(net, epoch, signer.account) !== nonceHash(rt.crypto, row.nonce)) return
  const seed = rt.chain.epochSeed(net, epoch)
  if (seed.is === 'void') return book.mark(epoch, 'void')
  const head = rt.chain.head()
  const seconds = rt.chain.network(net)?.epochSeconds ?? 0
  if (seed.is !== 'seed' || head === null) return
  const { begins } = epochTimes(seconds, epoch)
  const moment = ((row.nonce[0] ?? 0) / 256) * (seconds / 2)
  if (head.timestamp < begins + moment) return
  const asking = { net, epoch, verifier: signer.account, seed: seed.seed, nonce: row.nonce }
  const until = ((epoch + 1) * seconds * 1000 - PACK_MS) as UnixMs
  if (rt.clock.now() >= until) return
  const subjects = rt.chain.devices(net).flatMap((device) => (device.status === 'active' ? [device.id] : []))
  const answers = await asks.ask(asking, subjects, until, signal)
  if (answers === null) return
  const bundle = await keep(parts, asking, answers, new Map())
  rt.log.info('collected an epoch', { epoch, subjects: answers.size, bundle })
  once(parts, `probe:${net}:${epoch}`, async () => {
    const seen = await probeSubjects(parts, asking, answers, until, signal)
    // Too late, and the bundle without it is on its way to the chain.
    if (seen.size === 0 || rt.clock.now() >= (epoch + 1) * seconds * 1000 || isCommitting(parts, epoch)) return
    await keep(parts, asking, answers, seen)
  })
}

/** Packs the evidence of an epoch and makes it the epoch's. */
async function keep(
  { rt, book, resource }: VerifierParts,
  { net, epoch, verifier, seed, nonce }: Asking,
  answers: ReadonlyMap<DeviceId, Collected>,
  seen: ReadonlyMap<DeviceId, readonly Seen[]>,
): Promise<Digest> {
  const blobs = new Map([...answers.values()].flatMap((answer) => [...answer.blobs]))
  const subjects = [...answers].map(([subject, { claims, answers: rows }]) => {
    const observations = (seen.get(subject) ?? []).map(({ claim, bytes }) => ({ claim, bytes }))
    return { subject, claims: [...claims], answers: [...rows], ...(observations.length === 0 ? {} : { observations }) }
  })
  const packed = packEvidence(
    rt.crypto,
    {
      rules: resource.rules,
      resource: resource.id,
      net,
      epoch,
      verifier,
      seed,
      nonce,
      subjects,
    },
    blobs,
  )
  const before = book.get(epoch)?.bundle ?? null
  await book.saveFile(packed.blobsDigest, packed.blobs)
  await book.saveFile(packed.digest, packed.bytes)
  book.collected(epoch, packed.digest)
  // The same proofs, with fewer observations: nothing names it any more.
  if (before !== null && before !== packed.digest) await book.removeFile(before)
  return packed.digest
}

const bundleKey = ({ net }: VerifierParts, epoch: Epoch): string => `bundle:${net}:${epoch}`

/** Whether the chain was told which bundle is the epoch's. */
const isCommitting = (parts: VerifierParts, epoch: Epoch): boolean =>
  parts.underWay.has(bundleKey(parts, epoch)) ||
  parts.rt.chain.evidence(parts.net, epoch).some((commit) => commit.verifier === parts.signer.account)

async function commitBundle(parts: VerifierParts, epoch: Epoch): Promise<void> {
  const { rt, book, net, signer } = parts
  const row = book.get(epoch)
  if (row === null || row.bundle === null) return
  if (isCommitting(parts, epoch)) return
  const bytes = await book.readFile(row.bundle)
  if (bytes === null) throw new CairnError('NOT_FOUND', { what: 'bundle', id: row.bundle })
  const key = bundleKey(parts, epoch)
  const args = [net, epoch, row.bundle, BigInt(bytes.length)]
  once(parts, key, async () => {
    const outcome = await signer.send({ contract: 'evidence', function: 'commit', args, key })
    if (outcome.is === 'reverted') rt.log.warn('a bundle was refused', { epoch, error: outcome.error })
  })
}
