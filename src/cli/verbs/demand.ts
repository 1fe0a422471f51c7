/** `cairn storage demand|demands|fault|heads`: possession of stored data, proved on chain or paid for with stake. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { type DeviceId, digestOf, type Hex, type NetworkId } from '../../protocol/ids.ts'
import { wire } from '../../protocol/schema.ts'
import { openSignedHeads } from '../../resources/storage/gateway.ts'
import type { StorageClaim } from '../../resources/storage/index.ts'
import { demandProof, faultDemand, type SignedHead } from '../../runtime/actions/proofs.ts'
import type { DemandRow } from '../../runtime/chain-judges.ts'
import { openDatabase } from '../../runtime/real/index.ts'
import { fromHex, toHex } from '../../std/bytes.ts'
import { accountNamed, openActor } from './actor.ts'
import type { ChainDesk } from './desk.ts'
import { cairn, type Exit, print, printJson, table } from './output.ts'
import { gatewayOf, type Place } from './place.ts'
import { approval, atDesk, carryOut, type LookOptions, type SignOptions, type Step } from './send.ts'
import { chainNow } from './stake-state.ts'
import { parseUri } from './storage.ts'

export interface DemandOptions extends SignOptions {
  readonly set?: string
  readonly provider?: string
  /** File of `cairn storage heads --json`, for whoever has no gateway's folder. */
  readonly head?: string
}

/** StorageProofs.MIN_BLOCKS. */
const SILENT_BLOCKS = 600n
/** A head with its signatures is below 1 KiB of JSON; a file of thousands is no mistake. */
const HEADS_FILE_MAX = 4 << 20

/** A head as `cairn storage heads --json` prints it. */
interface HeadLine extends SignedHead {
  readonly device: DeviceId
}

const hexBytes = z.string().regex(/^0x[0-9a-f]*$/)
const count = z.string().regex(/^\d{1,20}$/)
const linesType = z.array(
  z.object({
    device: wire.deviceId,
    providerSignature: hexBytes,
    customerSignature: hexBytes,
    head: z.object({
      net: wire.uint(2 ** 32 - 1),
      setId: z.string(),
      provider: wire.account,
      customer: wire.account,
      root: z.string(),
      count,
      totalBytes: count,
      version: count,
      expiresAt: wire.uint(2 ** 40 - 1),
    }),
  }),
)

const hex = (bytes: Uint8Array): Hex => `0x${toHex(bytes)}`
const lineOf = (device: DeviceId, { head, providerSignature, customerSignature }: StorageClaim): HeadLine => ({
  device,
  head,
  providerSignature: hex(providerSignature),
  customerSignature: hex(customerSignature),
})

/** Heads that both signed, in the database of the gateway; of one object's providers when `uri` is given. */
function headsOfGateway(place: Place, uri: string | null): readonly HeadLine[] {
  const database = openDatabase(join(gatewayOf(place), 'state.db'))
  try {
    const { heads, devicesOf } = openSignedHeads(database)
    const all = [...heads].map(([device, claim]) => lineOf(device, claim))
    if (uri === null) return all
    const { bucket, key } = parseUri(uri)
    const devices = devicesOf(bucket, key)
    if (devices === null) throw new CairnError('NOT_FOUND', { what: 'object', id: uri })
    return all.filter((line) => devices.includes(line.device))
  } finally {
    database.close()
  }
}

/** Throws `CONFIG` for a file that holds something else. */
async function headsOfFile(path: string): Promise<readonly HeadLine[]> {
  const fix = 'make it with `cairn storage heads --json`'
  const size = (await stat(path).catch(() => null))?.size ?? null
  if (size === null || size > HEADS_FILE_MAX) {
    throw new CairnError('CONFIG', { what: path, why: size === null ? 'there is no such file' : 'it is too large', fix })
  }
  try {
    const lines = linesType.parse(JSON.parse(await readFile(path, 'utf8')))
    const digestIn = (text: string) => digestOf(fromHex(text.slice(2)) ?? new Uint8Array())
    return lines.map(({ head, ...line }) => ({
      device: line.device,
      providerSignature: `0x${line.providerSignature.slice(2)}`,
      customerSignature: `0x${line.customerSignature.slice(2)}`,
      head: {
        ...head,
        setId: digestIn(head.setId),
        root: digestIn(head.root),
        count: BigInt(head.count),
        totalBytes: BigInt(head.totalBytes),
        version: BigInt(head.version),
      },
    }))
  } catch {
    throw new CairnError('CONFIG', { what: path, why: 'it holds no signed heads', fix })
  }
}

async function headsToDemand(desk: ChainDesk, place: Place, uri: string | null, options: DemandOptions): Promise<readonly HeadLine[]> {
  if (uri === null && options.set === undefined && options.provider === undefined && options.head === undefined) {
    throw new CairnError('CONFIG', { what: 'the demand', why: 'it names no set', fix: 'give s3://bucket/key, --set, --provider or --head' })
  }
  const provider = options.provider === undefined ? null : await accountNamed(desk.crypto, place, options.provider)
  const all = options.head === undefined ? headsOfGateway(place, uri) : await headsOfFile(options.head)
  const found = all.filter(
    ({ head }) => (options.set === undefined || head.setId === options.set) && (provider === null || head.provider === provider),
  )
  const full = found.filter(({ head }) => head.totalBytes > 0n)
  if (full.length > 0) return full
  throw new CairnError('NOT_FOUND', {
    what: 'co-signed data set',
    id: `${uri ?? options.set ?? options.provider ?? options.head}: gateway and provider sign one in each epoch, see \`cairn storage heads\``,
  })
}

/** Demands a byte of each set that is meant, for the network's bond each. */
export const demandProofs = (uri: string | null, options: DemandOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const lines = await headsToDemand(desk, place, uri, options)
    const signer = await openActor(desk, place, options.as)
    const { contracts } = desk
    const { disputeBond: bond } = await rulesOf(desk, desk.network.id)
    const spender = desk.access.view.addresses.proofs
    const allow = await approval(desk, signer, { asset: 'token', spender, amount: bond * BigInt(lines.length) })
    const steps = lines.map((line): Step => {
      return { what: `demanding a byte of ${line.head.provider}`, call: 'proofs.demand', send: (o) => demandProof(signer, line, o) }
    })
    const each = lines.length === 1 ? lines[0]?.head.provider : `each of ${lines.length} providers`
    const question = `Demand a byte of ${each} for a bond of ${cairn(bond)} CAIRN${lines.length === 1 ? '' : ' each'}? It is the provider's if it answers.`
    const sets = lines.map(({ head }) => ({
      provider: head.provider,
      setId: head.setId,
      version: head.version,
      totalBytes: head.totalBytes,
    }))
    return carryOut(
      {
        question,
        facts: { demander: signer.account, bond, sets },
        steps: [...allow, ...steps],
        async after() {
          const ids: bigint[] = []
          for (const { head } of lines) ids.push(await contracts.number('proofs', 'openDemand', head))
          // A node that is quick has closed its demand before the third block above it.
          const say = `demanded: ${ids.map((id) => (id === 0n ? 'answered already' : `number ${id}`)).join(', ')}; see \`cairn storage demands\``
          return { facts: { ids }, say }
        },
      },
      options,
    )
  })

const rulesType = z.object({ disputeBond: z.bigint(), responseWindow: z.number() })
const rulesOf = async (desk: ChainDesk, net: NetworkId) => rulesType.parse(await desk.contracts.read('networks', 'params', net))

/** Whether a demand may be faulted now, and else when. */
async function readiness(desk: ChainDesk, row: DemandRow): Promise<{ readyAt: number; readyBlock: bigint; ready: boolean }> {
  const readyAt = row.openedAt + (await rulesOf(desk, row.net)).responseWindow
  const readyBlock = row.openedBlock + SILENT_BLOCKS
  const ready = (await chainNow(desk)) >= readyAt && (await desk.rpc.blockNumber()) >= readyBlock
  return { readyAt, readyBlock, ready }
}

export const listDemands = (options: LookOptions & { readonly provider?: string }): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const provider = options.provider === undefined ? null : await accountNamed(desk.crypto, place, options.provider)
    const rows = desk.access.view.demands(desk.network.id, provider)
    const lines = await Promise.all(rows.map(async (row) => ({ ...row, ...(await readiness(desk, row)) })))
    const waits = (line: (typeof lines)[number]): string => {
      if (line.state !== 'open') return line.state === 'faulted' ? `slashed ${cairn(line.slashed)} CAIRN` : ''
      return line.ready ? 'may be faulted' : `until ${new Date(line.readyAt * 1000).toISOString()} and block ${line.readyBlock}`
    }
    if (options.json) printJson(lines)
    else {
      const cells = lines.map((line) => [String(line.id), line.state, line.provider, String(line.position), cairn(line.bond), waits(line)])
      print(table(['demand', 'state', 'provider', 'byte', 'bond', ''], cells))
    }
    return 0
  })

/** Slashes a provider that let a demand's window pass. Anyone may; the demander is the reporter. */
export const faultSilent = (id: bigint, options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const row = desk.access.view.demand(id)
    if (row === null) throw new CairnError('NOT_FOUND', { what: 'demand', id: `${id}; see \`cairn storage demands\`` })
    const fix = 'see `cairn storage demands`'
    if (row.state !== 'open') throw new CairnError('CONFIG', { what: `demand ${id}`, why: `it is ${row.state}`, fix })
    const { ready, readyAt, readyBlock } = await readiness(desk, row)
    if (!ready) {
      const why = `its provider may answer until ${new Date(readyAt * 1000).toISOString()} and block ${readyBlock}`
      throw new CairnError('CONFIG', {
        what: `demand ${id}`,
        why,
        fix: 'wait: it takes blocks besides time, so that a chain that stood still condemns nobody',
      })
    }
    const signer = await openActor(desk, place, options.as)
    const send: Step['send'] = (o) => faultDemand(signer, { id, head: row.head }, o)
    const question = `Fault ${row.provider}, which did not answer demand ${id}? Its stake is slashed.`
    const facts = { id, provider: row.provider, demander: row.demander, bond: row.bond }
    return carryOut({ question, facts, steps: [{ what: 'faulting', call: 'proofs.fault', send }] }, options)
  })

/** Co-signed heads with their signatures: all that anybody needs to demand. */
export const listHeads = (options: LookOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (_, place) => {
    const lines = headsOfGateway(place, null)
    if (options.json) printJson(lines)
    else {
      const cells = lines.map(({ head }) => [
        head.provider,
        head.setId,
        String(head.version),
        String(head.count),
        String(head.totalBytes),
        new Date(head.expiresAt * 1000).toISOString(),
      ])
      print(table(['provider', 'set', 'version', 'pieces', 'bytes', 'until'], cells))
    }
    return 0
  })
