/**
 * An epoch of a network of `count` honest providers, as far as a verifier sees it: each answers for one set of one customer with
 * real proofs and signatures. All sets list the same pieces, of the same bytes, so that the network fits into memory.
 */
import { deviceIdOf } from '../../src/protocol/device-signature.ts'
import { account, address, type DeviceId, type Digest, digestOf, epoch, type Hex, networkId, type PeerId } from '../../src/protocol/ids.ts'
import type { ChainState } from '../../src/resources/epoch-facts.ts'
import { answerHash, nonceHash } from '../../src/resources/settle.ts'
import { buildSet, headHasher, prove, setIdOf } from '../../src/resources/storage/data-set.ts'
import { challengeSchema, claimSchema, type ProofReply, proofReply, proofRequest, proofSchema } from '../../src/resources/storage/index.ts'
import { FRAME_BYTES, LEAF_BYTES } from '../../src/resources/storage/layout.ts'
import { buildTree, leafHashes, pathOf, treeHash } from '../../src/resources/storage/piece-tree.ts'
import { type Addresses, CONTRACT_NAMES, type DeviceRow } from '../../src/runtime/chain.ts'
import { createChainRows } from '../../src/runtime/chain-index/index.ts'
import { createNative } from '../../src/runtime/real/compute/native.ts'
import { createCrypto } from '../../src/runtime/real/index.ts'
import { assert } from '../../src/std/assert.ts'
import { bigEndian, toHex, utf8 } from '../../src/std/bytes.ts'
import { createPrng } from '../../src/std/prng.ts'

/** What a gateway makes of 64 MiB at four of eight. */
export const PIECE_BYTES = 16 * 1024 * 1024
/** 16 GiB for a customer at each provider. */
export const PIECES = 1024
const EPOCH_SECONDS = 60
export const NET = networkId(7)
export const EPOCH = epoch(1000)
export const crypto = createCrypto()
const hash = treeHash(crypto, createNative().sha256Pairs)
const CHAIN_ID = 31337
const STAKE = 10n
const ADDRESSES = Object.fromEntries(
  CONTRACT_NAMES.map((name, i) => [name, address(toHex(new Uint8Array(20).fill(i + 1)))]),
) as unknown as Addresses

const secretOf = (name: string): Uint8Array => crypto.sha256(utf8(`bench ${name}`))
const accountOf = (secret: Uint8Array) => account(toHex(crypto.secp256k1.address(secret)))
const CUSTOMER = secretOf('customer')
export const VERIFIER = accountOf(secretOf('verifier'))
export const NONCE = secretOf('nonce')
export const SEED = digestOf(secretOf('seed'))

export function chainOf(devices: readonly DeviceRow[], bundle: Digest | null): ChainState {
  const owner = VERIFIER
  return {
    ...createChainRows({ chainId: CHAIN_ID, addresses: ADDRESSES, crypto }),
    network: (id) => ({
      id,
      owner,
      epochSeconds: EPOCH_SECONDS,
      minStake: 1n,
      challengeSeconds: 1,
      rootEpochs: 1,
      feeBps: 0,
      feeRecipient: owner,
      publisher: ADDRESSES.publisher,
      verifier: VERIFIER,
      verifierNet: 0,
      closed: false,
    }),
    epochSeed: () => ({ is: 'seed', seed: SEED }),
    pot: () => ({ funded: 1_000_000_000n, allocated: 0n, claimed: 0n }),
    devices: () => [...devices],
    stakeOf: () => STAKE,
    sessionActive: () => false,
    nonceCommit: () => nonceHash(crypto, NONCE),
    evidence: (net, of) =>
      bundle === null || of !== EPOCH ? [] : [{ net, epoch: of, verifier: VERIFIER, digest: bundle, bytes: 1, block: 1n }],
  }
}

/** The one piece that everybody keeps, and the manifest that names it PIECES times. */
function keptByAll() {
  const prng = createPrng(1n)
  const bytes = new Uint8Array(PIECE_BYTES)
  const some = prng.bytes(FRAME_BYTES)
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
    some.set(bigEndian(BigInt(at), 8))
    bytes.set(some, at)
  }
  const tree = buildTree(hash, leafHashes(hash, bytes))
  const root = digestOf(tree.root)
  const ids = Array.from({ length: PIECES }, () => digestOf(prng.bytes(32))).sort()
  const set = buildSet(
    hash,
    ids.map((pieceId) => ({ pieceId, size: PIECE_BYTES, root })),
  )
  const proveLeaf = async (_: Digest, index: number) => ({
    leaf: bytes.subarray(index * LEAF_BYTES, (index + 1) * LEAF_BYTES),
    path: pathOf(tree, index),
  })
  return { set, proveLeaf }
}

export interface Provider {
  readonly row: DeviceRow
  readonly peer: PeerId
  /** Answers one request of `/cairn/proof/1` as a provider does that knows the chain. */
  reply(request: Uint8Array): Promise<Uint8Array>
}

export function providersOf(count: number): ReadonlyMap<DeviceId, Provider> {
  const { set, proveLeaf } = keptByAll()
  const headHash = headHasher(crypto, CHAIN_ID)
  const customer = accountOf(CUSTOMER)
  const provider = (i: number): Provider => {
    const device = secretOf(`device ${i}`)
    const operator = secretOf(`operator ${i}`)
    const owner = accountOf(operator)
    const signer: Hex = `0x${toHex(crypto.secp256k1.address(device))}`
    const id = deviceIdOf(crypto, signer)
    const head = {
      net: NET,
      setId: setIdOf(crypto, NET, id, customer),
      provider: owner,
      customer,
      root: set.root,
      count: BigInt(set.entries.length),
      totalBytes: BigInt(set.totalBytes),
      version: 1n,
      expiresAt: (EPOCH + 2) * EPOCH_SECONDS,
    }
    const [customerSignature, providerSignature] = [CUSTOMER, operator].map((secret) => crypto.secp256k1.sign(secret, headHash(head)))
    assert(customerSignature !== undefined && providerSignature !== undefined, 'two keys make two signatures')
    const claim = claimSchema.encode({ head, customerSignature, providerSignature })
    const at = { net: NET, epoch: EPOCH, verifier: VERIFIER, subject: id, claim }
    const answer = async (bytes: Uint8Array) => {
      const { position, slot } = challengeSchema.decode(bytes)
      const made = await prove(set, Number(position), proveLeaf)
      assert(made.ok, 'every piece is held')
      const proof = proofSchema.encode(made.proof)
      const signed = answerHash(crypto, { ...at, slot }, { blob: digestOf(crypto.sha256(proof)) })
      return { is: 'proof' as const, proof, signature: crypto.secp256k1.sign(device, signed) }
    }
    return {
      row: { id, owner, net: NET, signer, transportKey: `0x${'00'.repeat(32)}`, endpoint: '', status: 'active' },
      peer: `12D3KooW${i}` as PeerId,
      async reply(request) {
        const asked = proofRequest.decode(request)
        const said: ProofReply =
          asked.op === 'claims'
            ? { is: 'claims', claims: [claim], more: false }
            : { is: 'answers', answers: await Promise.all(asked.challenges.map(answer)) }
        return proofReply.encode(said)
      },
    }
  }
  return new Map(Array.from({ length: count }, (_, i) => provider(i)).map((one) => [one.row.id, one]))
}
