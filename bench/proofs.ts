/**
 * Storage proofs: how many a provider makes from pieces on its disk, and how many a verifier checks, on one thread each,
 * beside what the same run's primitives would allow: the SHA-256 compressions of a proof, and a signature of its device.
 *
 *   ./cairn bench proofs [--json] [--data FOLDER] [--seconds 2]
 *
 * The disk is read through the page cache. `verify` is the possession proof alone; `answer` is all that settlement does with an
 * answer of a bundle: its bytes are hashed, decoded and verified, and so is the device's signature.
 */
import { deviceIdOf, verifyDevice } from '../src/protocol/device-signature.ts'
import { account, digestOf, epoch, type Hex, networkId, type SubjectId } from '../src/protocol/ids.ts'
import { answerHash } from '../src/resources/settle.ts'
import { type DataSet, proofHashes, prove, setIdOf, verifyProof } from '../src/resources/storage/data-set.ts'
import { proofSchema, type StorageChallenge, type StorageProof } from '../src/resources/storage/index.ts'
import { FRAME_BYTES, LEAF_BYTES } from '../src/resources/storage/layout.ts'
import { frameCount } from '../src/resources/storage/piece-tree.ts'
import { verify } from '../src/resources/storage/verify.ts'
import { toHex, utf8 } from '../src/std/bytes.ts'
import { benchArguments } from './parts/arguments.ts'
import { cpuPace, type Pace } from './parts/cpu-pace.ts'
import { brief, load, pace } from './parts/figures.ts'
import { benchFolder } from './parts/folder.ts'
import { crypto, native, type StoredPiece, storePiece } from './parts/stored-piece.ts'

const MIB = 1024 * 1024
const SIZES = { '64MiB': 64 * MIB, '1MiB': MIB } as const
/** Pieces of the challenged set: 64 GiB or 1 GiB for one customer at one node. */
const PIECES = 1024
/** Different proofs that are checked in turn: 1.3 MiB of them, so that the nearest caches do not hold all. */
const PROOFS = 256
const NET = networkId(7)
const EPOCH = epoch(1000)
const secretOf = (name: string): Uint8Array => crypto.sha256(utf8(`bench ${name}`))
const accountOf = (name: string) => account(toHex(crypto.secp256k1.address(secretOf(name))))
const CUSTOMER = accountOf('customer')
const VERIFIER = accountOf('verifier')
/** Bytes of padding and length that end a hashed message (FIPS 180-4 §5.1.1). */
const SHA_TAIL = 9
const BLOCK = 64
const compressions = (bytes: number): number => Math.ceil((bytes + SHA_TAIL) / BLOCK)
const PAIR = compressions(BLOCK)
const INTERVAL = compressions(80)

interface Signer {
  readonly signer: Hex
  sign(hash: Uint8Array): Uint8Array
}
const SIGNERS = (['secp256k1', 'p256'] as const).map((kind): readonly [string, Signer] => {
  const secret = secretOf(`device ${kind}`)
  const bytes = kind === 'p256' ? crypto.p256.publicKey(secret) : crypto.secp256k1.address(secret)
  return [kind, { signer: `0x${toHex(bytes)}`, sign: (hash) => crypto[kind].sign(secret, hash) }]
})

interface Case {
  readonly challenge: StorageChallenge
  readonly proof: StorageProof
  readonly bytes: Uint8Array
}

function challengeOf(set: DataSet, device: SubjectId, slot: number, position: number): StorageChallenge {
  const setId = setIdOf(crypto, NET, device, CUSTOMER)
  const { root, totalBytes, entries } = set
  return { setId, root, count: BigInt(entries.length), totalBytes: BigInt(totalBytes), version: 1n, slot, position: BigInt(position) }
}

/** Positions that are spread over the set and the same in every run. */
const positionOf = (set: DataSet, i: number): number => (i * 2_654_435_761 * 1021) % set.totalBytes

async function casesOf({ set, proveLeaf }: StoredPiece, device: SubjectId): Promise<readonly Case[]> {
  const cases: Case[] = []
  for (let i = 0; i < PROOFS; i += 1) {
    const position = positionOf(set, i)
    const made = await prove(set, position, proveLeaf)
    if (!made.ok) throw new Error('the stored piece cannot be shown')
    const challenge = challengeOf(set, device, i % 8, position)
    const checked = verifyProof(crypto, challenge, challenge, made.proof)
    if (!checked.ok) throw new Error(`a proof that the provider made does not hold: ${checked.why}`)
    cases.push({ challenge, proof: made.proof, bytes: proofSchema.encode(made.proof) })
  }
  return cases
}

/** What settlement does with one answer, given the context that it was signed in. */
function answerPace(cases: readonly Case[], { signer, sign }: Signer, seconds: number): Promise<Pace> {
  const subject = deviceIdOf(crypto, signer)
  const at = { net: NET, epoch: EPOCH, verifier: VERIFIER, subject, claim: new Uint8Array(400) }
  const signed = cases.map((one) => {
    const blob = digestOf(crypto.sha256(one.bytes))
    return { ...one, signature: sign(answerHash(crypto, { ...at, slot: one.challenge.slot }, { blob })) }
  })
  return cpuPace(signed.length, seconds, () => {
    for (const { challenge, bytes, signature } of signed) {
      const blob = digestOf(crypto.sha256(bytes))
      const isSigned = verifyDevice(crypto, signer, answerHash(crypto, { ...at, slot: challenge.slot }, { blob }), signature)
      const { ok } = verify(crypto, challenge, { is: 'proof', proof: proofSchema.decode(bytes), at: 0n }, [])
      if (!isSigned || !ok) throw new Error('a right answer was refused')
    }
  })
}

async function measure(folder: string, size: number, seconds: number) {
  const piece = await storePiece(folder, size, PIECES, CUSTOMER)
  try {
    let i = 0
    const made = await cpuPace(1, seconds, async () => {
      i += 1
      const { ok } = await prove(piece.set, positionOf(piece.set, i), piece.proveLeaf)
      if (!ok) throw new Error('the stored piece cannot be shown')
    })
    const [, first] = SIGNERS[0] as (typeof SIGNERS)[number]
    const cases = await casesOf(piece, deviceIdOf(crypto, first.signer))
    const checked = await cpuPace(cases.length, seconds, () => {
      for (const { challenge, proof } of cases)
        if (!verifyProof(crypto, challenge, challenge, proof).ok) throw new Error('a right proof was refused')
    })
    const answers: [string, Pace][] = []
    for (const [kind, signer] of SIGNERS) answers.push([kind, await answerPace(cases, signer, seconds)])
    return { made, checked, answers: new Map(answers), proofBytes: cases[0]?.bytes.length ?? 0 }
  } finally {
    await piece.close()
  }
}
type Measured = Awaited<ReturnType<typeof measure>>

/** Nanoseconds of this run's primitives: a compression within a long message, a call for two nodes, and so on. */
function primitiveCosts() {
  const long = new Uint8Array(MIB)
  const [pair, leaf, frame, levels] = [64, LEAF_BYTES, FRAME_BYTES, MIB].map((bytes) => new Uint8Array(bytes)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const out = new Uint8Array(MIB / 2)
  const many = (times: number, step: () => void) =>
    pace(times, () => {
      for (let i = 0; i < times; i += 1) step()
    })
  const hash = secretOf('message')
  const signatures = Object.fromEntries(
    SIGNERS.map(([kind, { signer, sign }]) => {
      const signature = sign(hash)
      return [kind, many(20, () => void verifyDevice(crypto, signer, hash, signature))]
    }),
  )
  return {
    compression: (pace(long.length, () => crypto.sha256(long)) * long.length) / compressions(long.length),
    pair: many(1000, () => crypto.sha256(pair)),
    leaf: many(100, () => crypto.sha256(leaf)),
    /** Of two nodes of a whole level, hashed in one call. */
    pairOfLevel: pace(levels.length / BLOCK, () => native.sha256Pairs(levels, out)),
    crcOfFrame: many(50, () => native.crc32(frame, 0)),
    signatures,
  }
}
type Costs = ReturnType<typeof primitiveCosts>

/** What a proof of a piece of `size` in a set of PIECES cannot do without, in hashes and in SHA-256 compressions. */
function demand(size: number) {
  const hashes = proofHashes(PIECES, size)
  const nodes = hashes - 2
  const verifying = INTERVAL + compressions(LEAF_BYTES) + nodes * PAIR
  const frames = frameCount(size)
  const leaves = FRAME_BYTES / LEAF_BYTES
  return { nodes, verifying, leafCompressions: leaves * compressions(LEAF_BYTES), levelNodes: leaves + frames }
}

function limitsOf(size: number, cost: Costs) {
  const { nodes, verifying, leafCompressions, levelNodes } = demand(size)
  const rate = (ns: number): number => brief(1e9 / ns)
  const calls = (nodes + 1) * cost.pair + cost.leaf
  return {
    /** The leaves of one frame, its subtree and the tree over all frames, and the checksum of the frame; reading is left out. */
    prove: rate(leafCompressions * cost.compression + levelNodes * cost.pairOfLevel + cost.crcOfFrame),
    /** Were all of a proof one message. */
    verify: rate(verifying * cost.compression),
    /** With a call of the hash function for each node, as the sizes of messages demand. */
    verifyCalls: rate(calls),
    answer: Object.fromEntries(Object.entries(cost.signatures).map(([kind, ns]) => [kind, rate(calls + ns)])),
    compressions: { prove: leafCompressions + levelNodes * PAIR, verify: verifying },
  }
}

const written = ({ perSecond, perCpuSecond }: Pace) => ({ perSecond: brief(perSecond), perCpuSecond: brief(perCpuSecond) })

const { json, data, numbers } = benchArguments('proofs', { seconds: { about: 'how long each figure is measured', value: 2 } })
const before = load()
const folder = await benchFolder(data)
const measured: [keyof typeof SIZES, Measured][] = []
try {
  for (const name of ['64MiB', '1MiB'] as const) measured.push([name, await measure(folder.path, SIZES[name], numbers.seconds)])
} finally {
  await folder.remove()
}
const cost = primitiveCosts()
const each = <T>(of: (one: Measured, size: number) => T): Readonly<Record<string, T>> =>
  Object.fromEntries(measured.map(([name, one]) => [`pieces${name}`, of(one, SIZES[name])]))
const large = measured[0]?.[1] as Measured
const result = {
  prove: { ...written(large.made), ...each(({ made }) => written(made)) },
  verify: { ...written(large.checked), ...each(({ checked }) => written(checked)) },
  answer: each(({ answers }) => Object.fromEntries([...answers].map(([kind, one]) => [kind, written(one)]))),
  limits: each((_, size) => limitsOf(size, cost)),
  primitivesNs: JSON.parse(JSON.stringify(cost, (_, value) => (typeof value === 'number' ? brief(value) : value))),
  set: { pieces: PIECES, proofBytes: large.proofBytes },
  load: [before, load()],
}

function print(): void {
  const row = (what: string, { perSecond, perCpuSecond }: Pace, limit: number): void =>
    console.log(
      `  ${what.padEnd(38)} ${String(brief(perSecond)).padStart(7)}/s, ${String(brief(perCpuSecond)).padStart(7)} per second of processor, of ${limit} that the primitives allow`,
    )
  console.log(
    `one thread, sets of ${PIECES} pieces, proofs of ${result.set.proofBytes} bytes; load before ${result.load[0]}, after ${result.load[1]}`,
  )
  for (const [name, one] of measured) {
    const limit = limitsOf(SIZES[name], cost)
    console.log(`pieces of ${name} (${limit.compressions.verify} compressions to check, ${limit.compressions.prove} to make)`)
    row('prove', one.made, limit.prove)
    row('verify', one.checked, limit.verify)
    for (const [kind, answer] of one.answers) row(`answer, device signs with ${kind}`, answer, Number(limit.answer[kind]))
    console.log(`  with one call for each hash, verify is bound by ${limit.verifyCalls}/s`)
  }
  for (const [what, ns] of Object.entries({ ...cost, signatures: 0, ...cost.signatures })) {
    if (what !== 'signatures') console.log(`  ${brief(Number(ns))} ns  ${what}`)
  }
}
if (json) console.log(JSON.stringify(result))
else print()
