/**
 * Data sets, from the customer's side: once an epoch at most, the gateway and each provider sign what the provider must
 * keep. A piece is paid from its first co-signed set on, and may be dropped only when it is in none.
 */

import { CairnError } from '../../../protocol/errors.ts'
import { address, bytesOf, type DeviceId, type Digest } from '../../../protocol/ids.ts'
import { type DeviceRow, SCOPE } from '../../../runtime/chain.ts'
import { equalBytes, toHex } from '../../../std/bytes.ts'
import { rateTerms } from '../../rates.ts'
import { buildSet, headHasher, setIdOf } from '../data-set.ts'
import { MANIFEST_PAGE, type ManifestEntry, type SetHead } from '../messages.ts'
import { treeHash } from '../piece-tree.ts'
import { BYTE_SECOND } from '../terms.ts'
import { adoptManifest } from './adopt.ts'
import { manageOrder, Refusal, receiveReply, sendRequest } from './exchange.ts'
import { lastHead, saveHead } from './heads.ts'
import type { StoreParts } from './parts.ts'
import { keepSignedHead, signedHeadOf } from './signed-heads.ts'

/** A head outlives a gateway's holidays and no more; CONTRACTS allows 35 days. */
const HEAD_SECONDS = 30 * 24 * 3600
/** A head is renewed when less than this is left, or two epochs where these are longer: sets are signed once in each. */
const RENEW_SECONDS = 7 * 24 * 3600
const RENEW_EPOCHS = 2
/** A provider hashes what it was given before it signs: 1 GB/s at worst, and the largest batch between two epochs. */
const SIGN_MS = 60_000

export type SyncOutcome =
  | { readonly is: 'signed'; readonly head: SetHead }
  | { readonly is: 'current' }
  /** The provider does not have these: they count as lost from now on. */
  | { readonly is: 'missing'; readonly pieces: readonly Digest[] }

/** Brings the co-signed set of one provider up to date. */
export async function syncDevice(parts: StoreParts, device: DeviceRow): Promise<SyncOutcome> {
  const { at, metadata } = parts
  const { adds, removes } = metadata.segments.unsigned(device.id)
  const last = lastHead(parts, device.id)
  const now = Math.floor(at.clock.now() / 1000)
  if (adds.length === 0 && removes.length === 0 && (last === null || isLasting(parts, device, last, now))) return { is: 'current' }
  const entries = metadata.segments.manifest(device.id)
  const set = buildSet(treeHash(at.crypto, at.compute.native.sha256Pairs), entries)
  const head: SetHead = {
    net: at.net,
    setId: setIdOf(at.crypto, at.net, device.id, at.account),
    provider: device.owner,
    customer: at.account,
    root: set.root,
    count: BigInt(entries.length),
    totalBytes: BigInt(set.totalBytes),
    version: (last?.version ?? 0n) + 1n,
    expiresAt: now + HEAD_SECONDS,
  }
  return propose(parts, device, head, adds, removes)
}

/**
 * Whether a head will still be worth something for a while: it lasts, this gateway's key signed it, and its operator's key is
 * still one. A gateway that was given another key so signs everything anew, before or after the old one is revoked.
 */
function isLasting(parts: StoreParts, device: DeviceRow, last: { version: bigint; expiresAt: number }, now: number): boolean {
  const { at, database } = parts
  const epochSeconds = at.chain.network(at.net)?.epochSeconds ?? 0
  if (last.expiresAt <= now + Math.max(RENEW_SECONDS, RENEW_EPOCHS * epochSeconds)) return false
  const claim = signedHeadOf(database, device.id)
  if (claim === null || claim.head.version !== last.version) return false
  const hash = headHasher(at.crypto, at.chain.chainId)(claim.head)
  // The same key signs the same hash in the same way (RFC 6979): one comparison, and no key has to be recovered.
  if (!equalBytes(at.crypto.secp256k1.sign(at.sessionKey, hash), claim.customerSignature)) return false
  return isSignedByOperator(parts, device, hash, claim.providerSignature)
}

async function propose(
  parts: StoreParts,
  device: DeviceRow,
  head: SetHead,
  adds: readonly ManifestEntry[],
  removes: readonly Digest[],
): Promise<SyncOutcome> {
  const { at, providers, orders } = parts
  const hash = headHasher(at.crypto, at.chain.chainId)(head)
  const signature = at.crypto.secp256k1.sign(at.sessionKey, hash)
  const rate = signedRate(parts, device)
  const io = await providers.open(device.id)
  try {
    const pages = Math.max(1, Math.ceil(Math.max(adds.length, removes.length) / MANIFEST_PAGE))
    for (let page = 0; page < pages; page += 1) {
      const range = [page * MANIFEST_PAGE, (page + 1) * MANIFEST_PAGE] as const
      const more = page < pages - 1
      const order = manageOrder(orders, device.id)
      const change = { adds: adds.slice(...range), removes: removes.slice(...range) }
      await sendRequest(io, { op: 'head', order, ...change, more, head, signature, rate })
      if (more) await receiveReply(at.clock, io, 'continue')
    }
    const reply = await receiveReply(at.clock, io, ['signed', 'differs'], SIGN_MS)
    await io.end()
    if (reply.is === 'differs') return differs(parts, device.id, head, reply)
    checkSignature(parts, device, hash, reply.signature)
    parts.database.transaction(() => {
      saveHead(parts, device.id, head, signature, reply.signature)
      keepSignedHead(parts.database, device.id, { head, customerSignature: signature, providerSignature: reply.signature })
      parts.metadata.segments.markSigned(
        device.id,
        adds.map((entry) => entry.pieceId),
        removes,
      )
    })
    return { is: 'signed', head }
  } catch (error) {
    io.abort(error)
    throw error
  }
}

/** What the set's proved byte-seconds cost, so that they are paid also when this gateway is gone. */
function signedRate({ at }: StoreParts, { owner }: DeviceRow) {
  const { chainId, addresses } = at.chain
  const unit = { payer: at.account, payee: owner, asset: addresses.credits, net: at.net, resource: 'storage', unit: BYTE_SECOND }
  const rate = at.rates[BYTE_SECOND]
  const { hash } = rateTerms(at.crypto, { chainId, escrow: addresses.escrow }, unit, rate)
  return { ...rate, signature: at.crypto.secp256k1.sign(at.sessionKey, hash) }
}

/** Either the provider lacks pieces, which are then lost, or it is at another version, which is adopted for the next try. */
function differs(parts: StoreParts, device: DeviceId, head: SetHead, reply: { missing: readonly Digest[]; version: bigint }): SyncOutcome {
  if (reply.version + 1n !== head.version) {
    saveHead(parts, device, { ...head, version: reply.version, expiresAt: 0 }, new Uint8Array(), new Uint8Array())
  }
  parts.database.transaction(() => {
    for (const piece of reply.missing) parts.metadata.segments.forget(device, piece)
  })
  return { is: 'missing', pieces: reply.missing }
}

/** The provider signs with its operator's key or a session key of it. */
function isSignedByOperator(parts: StoreParts, device: DeviceRow, hash: Uint8Array, signature: Uint8Array): boolean {
  const { at } = parts
  const by = at.crypto.secp256k1.recover(hash, signature)
  if (by === null) return false
  return equalBytes(by, bytesOf(device.owner)) || at.chain.sessionActive(device.owner, address(toHex(by)), SCOPE.storage, at.clock.now())
}

function checkSignature(parts: StoreParts, device: DeviceRow, hash: Uint8Array, signature: Uint8Array): void {
  if (isSignedByOperator(parts, device, hash, signature)) return
  throw new CairnError('PROTOCOL', { peer: device.id, why: 'the data set is not signed by its operator' })
}

/** A provider whose last set is not the one this side knows says `stale`: its set is adopted and changed from there. */
async function syncOrAdopt(parts: StoreParts, device: DeviceRow): Promise<SyncOutcome> {
  try {
    return await syncDevice(parts, device)
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'stale') throw error
    const adopted = await adoptManifest(parts, device.id)
    parts.at.log.warn('adopted a provider’s data set', {
      device: device.id,
      version: adopted.version,
      pieces: adopted.pieces,
      orphans: adopted.orphans,
    })
    return syncDevice(parts, device)
  }
}

/** One pass over every provider that holds something; those that do not answer are tried again next time. */
export async function syncAll(parts: StoreParts): Promise<{ signed: number; missing: number; failed: number }> {
  const { at, metadata } = parts
  const report = { signed: 0, missing: 0, failed: 0 }
  await Promise.all(
    metadata.segments.devices().map(async (id) => {
      const device = at.chain.device(id)
      if (device === null || !parts.providers.reachable(id)) return
      try {
        const outcome = await syncOrAdopt(parts, device)
        if (outcome.is === 'signed') report.signed += 1
        if (outcome.is === 'missing') report.missing += outcome.pieces.length
      } catch (error) {
        report.failed += 1
        at.log.debug('a data set was not signed', { device: id, why: String(error) })
      }
    }),
  )
  return report
}
