/**
 * The steps of an epoch, each in a process of its own that begins with nothing but the files of the step before: so its
 * memory is what a verifier or an auditor needs. One line of JSON says what it took.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DeviceId, type Digest, digest, type PeerId, type ProtocolId } from '../../src/protocol/ids.ts'
import { epochFacts } from '../../src/resources/epoch-facts.ts'
import { openBundle, openEvidence, packEvidence, settlementSchema } from '../../src/resources/evidence.ts'
import type { Collected, Kind, Resource, VerifierRuntime } from '../../src/resources/resource.ts'
import { settle, settlementDigest } from '../../src/resources/settle.ts'
import { storage } from '../../src/resources/storage/index.ts'
import { audit } from '../../src/roles/auditor/index.ts'
import type { DeviceRow, RootRow } from '../../src/runtime/chain.ts'
import { createInlineCompute } from '../../src/runtime/fake/index.ts'
import type { Duplex, Log, Network } from '../../src/runtime/index.ts'
import { createNative } from '../../src/runtime/real/compute/native.ts'
import { createClock, createMetrics, createRandom } from '../../src/runtime/real/index.ts'
import { assert } from '../../src/std/assert.ts'
import { concat } from '../../src/std/bytes.ts'
import { chainOf, crypto, EPOCH, NET, NONCE, type Provider, providersOf, SEED, VERIFIER } from './epoch-world.ts'

const MIB = 1024 * 1024
const resource = storage as unknown as Resource<Kind>
const quiet: Log = { error: console.error, warn: console.error, info() {}, debug() {}, child: () => quiet }

interface Spent {
  readonly ms: number
  readonly cpuMs: number
}

async function timed<T>(work: () => T | Promise<T>): Promise<readonly [T, Spent]> {
  const start = performance.now()
  const before = process.cpuUsage()
  const value = await work()
  const { user, system } = process.cpuUsage(before)
  return [value, { ms: performance.now() - start, cpuMs: (user + system) / 1000 }]
}

/** What the files of an epoch are called, beside those that are named by their hash. */
interface Facts {
  readonly devices: readonly DeviceRow[]
  readonly bundle: Digest
  readonly root?: Digest
  readonly total?: string
  readonly dataHash?: Digest
}

/** One request and its reply, without wires. What the provider's side takes is counted, to be left out. */
function exchange(peer: PeerId, provider: Provider, spent: { ms: number }): Duplex {
  const parts: Uint8Array[] = []
  let sent = false
  return {
    peer,
    send: async (...more) => void parts.push(...more),
    async receive() {
      if (sent) return null
      sent = true
      const start = performance.now()
      const reply = await provider.reply(concat(parts))
      spent.ms += performance.now() - start
      return reply
    },
    receiveInto: () => Promise.reject(new Error('a verifier does not read so')),
    end: async () => {},
    abort() {},
  }
}

function runtimeOf(providers: ReadonlyMap<DeviceId, Provider>, spent: { ms: number }): VerifierRuntime {
  const byPeer = new Map([...providers.values()].map((provider) => [provider.peer, provider]))
  const network: Network = {
    self: 'verifier' as PeerId,
    addresses: [],
    know() {},
    async dial(peer: PeerId, _: ProtocolId) {
      const provider = byPeer.get(peer)
      assert(provider !== undefined, 'only providers are dialed')
      return exchange(peer, provider, spent)
    },
    handle() {},
    close: async () => {},
  }
  const rows = [...providers.values()].map(({ row }) => row)
  const unused = (): never => {
    throw new Error('collecting does not ask for this')
  }
  return {
    clock: createClock(),
    random: createRandom(),
    crypto,
    log: quiet,
    metrics: createMetrics(),
    compute: createInlineCompute(createNative()),
    network,
    chain: { ...chainOf(rows, null), freshAt: unused, degraded: () => false, advanced: unused },
    peerOf: (subject) => providers.get(subject)?.peer ?? null,
    visit: unused,
    tickets: unused,
  }
}

/** Asks every provider, and packs what they said as the verifier does at the end of an epoch. */
async function collect(folder: string, count: number) {
  const providers = providersOf(count)
  const theirs = { ms: 0 }
  const rt = runtimeOf(providers, theirs)
  const asking = { net: NET, epoch: EPOCH, verifier: VERIFIER, seed: SEED, nonce: NONCE }
  const { signal } = new AbortController()
  const devices = [...providers.values()].map(({ row }) => row)
  const said = new Map<DeviceId, Collected>()
  const [, asked] = await timed(async () => {
    // One at a time, so that what the providers take can be told apart; the verifier asks several, but on one thread.
    for (const { id } of devices) said.set(id, await resource.collect(rt, asking, id, signal))
  })
  const [packed, packing] = await timed(() => {
    const blobs = new Map([...said.values()].flatMap((one) => [...one.blobs]))
    const subjects = [...said].map(([subject, { claims, answers }]) => ({ subject, claims: [...claims], answers: [...answers] }))
    const head = { rules: resource.rules, resource: resource.id, net: NET, epoch: EPOCH, verifier: VERIFIER, seed: SEED, nonce: NONCE }
    return packEvidence(crypto, { ...head, subjects }, blobs)
  })
  await writeFile(join(folder, packed.digest), packed.bytes)
  await writeFile(join(folder, packed.blobsDigest), packed.blobs)
  await keep(folder, { devices, bundle: packed.digest })
  const own = { ms: asked.ms - theirs.ms, providersMs: theirs.ms }
  return { collect: own, pack: packing, bundleMiB: packed.bytes.length / MIB, proofsMiB: packed.blobs.length / MIB }
}

const keep = (folder: string, facts: Facts): Promise<void> => writeFile(join(folder, 'facts.json'), JSON.stringify(facts))
const recall = async (folder: string): Promise<Facts> => JSON.parse(await readFile(join(folder, 'facts.json'), 'utf8')) as Facts

/** From the files of the evidence to the settlement and its root. */
async function settled(folder: string) {
  const facts = await recall(folder)
  const outcome = epochFacts(chainOf(facts.devices, facts.bundle), NET, EPOCH)
  assert(outcome.is === 'facts', 'the epoch is over')
  const [evidence, opening] = await timed(async () => {
    const bytes = await readFile(join(folder, facts.bundle))
    const bundle = openBundle(crypto, facts.bundle, bytes)
    assert(bundle !== null, 'the bundle is one')
    return openEvidence(crypto, facts.bundle, bytes, await readFile(join(folder, bundle.blobs)))
  })
  assert(evidence !== null, 'the evidence is whole')
  const [settlement, settling] = await timed(() => settle(crypto, storage, outcome.facts, [evidence], null))
  const paid = settlement.scores.filter(({ score }) => score === 1_000_000).length
  assert(paid === facts.devices.length, 'everybody was honest and is paid')
  const [dataHash, writing] = await timed(async () => {
    const name = settlementDigest(crypto, settlement)
    await writeFile(join(folder, name), settlementSchema.encode(settlement))
    return name
  })
  await keep(folder, { ...facts, root: settlement.root, total: String(settlement.total), dataHash })
  return { open: opening, settle: settling, write: writing }
}

/** What `cairn audit` recomputes: everything again, from what was published. */
async function audited(folder: string) {
  const { devices, bundle, root: published, total, dataHash } = await recall(folder)
  assert(published !== undefined && dataHash !== undefined && total !== undefined, 'the epoch was settled')
  const state = chainOf(devices, bundle)
  const root: RootRow = {
    net: NET,
    asset: state.addresses.token,
    epoch: EPOCH,
    index: 0,
    root: published,
    total: BigInt(total),
    dataHash,
    activeAt: 0,
    state: 'active',
  }
  const read = (name: Digest): Promise<Uint8Array> => readFile(join(folder, digest(name)))
  const [outcome, spent] = await timed(() => audit({ crypto, resource, net: NET, root, roots: [root], stateOf: () => state, read }))
  assert(outcome.equal, 'the audit finds what was settled')
  return { audit: spent }
}

if (import.meta.main) {
  const [, , step, folder = '', count = ''] = process.argv
  const idleMiB = process.memoryUsage.rss() / MIB
  const took = step === 'collect' ? await collect(folder, Number(count)) : step === 'settle' ? await settled(folder) : await audited(folder)
  // Kilobytes on every platform: libuv converts them.
  console.log(JSON.stringify({ ...took, idleMiB, peakMiB: process.resourceUsage().maxRSS / 1024 }))
}
