/**
 * What one operator needs of a settlement: its line, and the proof that the line is under the root on chain. A settlement
 * grows with the network; this grows with the operator's customers alone.
 */
import { z } from 'zod'
import type { Crypto } from '../protocol/crypto.ts'
import { type Account, bytesOf, type Digest, digestOf, type NetworkId, type PeerId } from '../protocol/ids.ts'
import { type MerkleTree, merkleTree, verifyMerkle } from '../protocol/merkle.ts'
import { detailRoot, type OwnerLine, rewardLeaf } from '../protocol/rewards.ts'
import { schema, wire } from '../protocol/schema.ts'
import type { RootRow } from '../runtime/chain.ts'
import type { Clock, Network } from '../runtime/index.ts'
import { ownerLineType, type Settlement, settlementSchema } from './evidence.ts'
import { fetchPart } from './peers.ts'

/** An owner's line, and what contracts want to see of it. */
export interface OwnerPart {
  readonly line: OwnerLine
  readonly detail: Digest
  /** Siblings from the line's leaf up to the root. */
  readonly proof: readonly Digest[]
}

/** CHANNELS_MAX lines of 32 + 32 + 16 bytes, with their names. */
const PART_BYTES = 16 * 1024 * 1024
/** Sibling hashes of a tree of 2^64 owners. */
const DEPTH_MAX = 64
const partSchema = schema(
  'owner’s part of a settlement',
  PART_BYTES,
  z.strictObject({ line: ownerLineType, proof: wire.list(wire.digest, DEPTH_MAX) }),
)

const treeOf = (crypto: Crypto, { net, asset, owners }: Settlement): MerkleTree =>
  merkleTree(
    crypto,
    owners.map((line) => rewardLeaf(crypto, net as NetworkId, asset, line)),
  )

const partOf = (crypto: Crypto, { owners }: Settlement, tree: MerkleTree, account: Account): OwnerPart | null => {
  const index = owners.findIndex((line) => line.account === account)
  const line = owners[index]
  if (line === undefined) return null
  return { line, detail: digestOf(detailRoot(crypto, line.channels)), proof: tree.proof(index).map(digestOf) }
}

/** An owner's part of a settlement that is at hand; null when it has no line. */
export const ownerPart = (crypto: Crypto, settlement: Settlement, account: Account): OwnerPart | null =>
  settlement.owners.length === 0 ? null : partOf(crypto, settlement, treeOf(crypto, settlement), account)

/** Settlements whose trees are kept: the newest that can be claimed from, and those beside it. */
const OPEN_MAX = 3

/**
 * Parts of the settlements that `offered` names, as bytes for the wire; null for others and for accounts without a line.
 * A tree is built once for all who ask, so what is offered must be few.
 */
export function createOwnerParts(
  crypto: Crypto,
  find: (digest: Digest) => Promise<Uint8Array | null>,
  offered: () => readonly Digest[],
): (digest: Digest, account: Account) => Promise<Uint8Array | null> {
  type Opened = (account: Account) => OwnerPart | null
  const open = new Map<Digest, Promise<Opened | null>>()
  const read = async (digest: Digest): Promise<Opened | null> => {
    const bytes = await find(digest)
    if (bytes === null) return null
    const settlement = settlementSchema.decode(bytes)
    if (settlement.owners.length === 0) return () => null
    const tree = treeOf(crypto, settlement)
    return (account) => partOf(crypto, settlement, tree, account)
  }
  /** What could not be read is looked for again. */
  const opened = async (digest: Digest): Promise<Opened | null> => {
    const reading = open.get(digest) ?? read(digest)
    open.set(digest, reading)
    const found = await reading.catch(() => null)
    if (found === null) open.delete(digest)
    return found
  }
  return async (digest, account) => {
    const names = offered().slice(-OPEN_MAX)
    for (const name of open.keys()) if (!names.includes(name)) open.delete(name)
    const part = names.includes(digest) ? (await opened(digest))?.(account) : undefined
    return part === undefined || part === null
      ? null
      : partSchema.encode({ line: { ...part.line, channels: [...part.line.channels] }, proof: [...part.proof] })
  }
}

/** Fetches an account's part of the settlement behind a root, from the first of `peers` whose is under the root; null when none is. */
export function fetchOwnerPart(
  rt: { readonly network: Network; readonly clock: Clock; readonly crypto: Crypto },
  peers: readonly PeerId[],
  net: NetworkId,
  root: Pick<RootRow, 'root' | 'asset' | 'dataHash'>,
  account: Account,
): Promise<OwnerPart | null> {
  const { crypto } = rt
  return fetchPart(rt, peers, { digest: root.dataHash, account, maxBytes: PART_BYTES }, (bytes) => {
    const { line, proof } = partSchema.decode(bytes)
    const leaf = rewardLeaf(crypto, net, root.asset, line)
    if (line.account !== account || !verifyMerkle(crypto, bytesOf(root.root), leaf, proof.map(bytesOf))) return null
    return { line, detail: digestOf(detailRoot(crypto, line.channels)), proof }
  })
}
