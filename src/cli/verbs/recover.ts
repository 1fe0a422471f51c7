/** `cairn storage recover`: a gateway's metadata and keys from the account's seed and the chain alone. */
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import type { Account, Address, DeviceId } from '../../protocol/ids.ts'
import { type AccountKeys, deriveKeys, type WalletKey } from '../../protocol/keys.ts'
import type { Kind, Resource } from '../../resources/resource.ts'
import { adoptManifest, concludeRecovery, drawKey, RECOVER_PATIENCE_MS, recover, storagePayees } from '../../resources/storage/gateway.ts'
import { storage } from '../../resources/storage/index.ts'
import { adoptVouchers } from '../../roles/gateway/index.ts'
import { saveDeployment } from '../../runtime/real/chain/index.ts'
import { equalBytes, toHex } from '../../std/bytes.ts'
import { type GatewayConfig, gatewayConfig, readConfig, writeConfig } from '../config.ts'
import { type Plan, writePlan } from '../up/plan.ts'
import { secret } from '../up/setup.ts'
import { redundancyOf } from '../up/up.ts'
import { type Backend, openBackend } from './backend.ts'
import { readDescriptor } from './descriptor.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { borrowNetwork } from './local-network.ts'
import { type Exit, type Progress, print, printJson, progress } from './output.ts'
import { dataFolder, exists, findPlace, type PeerAt } from './place.ts'
import { ALL_SCOPES, addressOf, delegateSession } from './session-key.ts'

export interface RecoverOptions {
  readonly data?: string
  readonly json: boolean
  readonly mnemonic?: string
  readonly mnemonicFile?: string
  /** A network's descriptor; without it `data` is the folder of `cairn up`. */
  readonly network?: string
  /** Of the S3 endpoint, for a folder of its own. */
  readonly port: number
  /** Take what can be read of a log that is not complete. */
  readonly allowLoss: boolean
}

/** Accounts of the mnemonic that are looked at; a local network's customer is the second. */
const ACCOUNTS = 20
/** A large account's log is long; standing still is noticed by the exchanges' own deadlines. */
const RECOVER_MS = 6 * 3600 * 1000
/** Those that stayed silent were waited for before. */
const ADOPT_TRIES = 3
const ADOPT_AGAIN_MS = 1_000
const REGION = 'cairn-local-1'
const HOST = '127.0.0.1'

/** What a recovery works on: the network, and where the gateway's folder comes to lie. */
interface Target {
  readonly folder: string
  readonly rpc: string
  readonly deployment: string
  readonly net: number
  readonly verifiers: readonly PeerAt[]
  readonly plan: Plan | null
  /** The folder with the plan. */
  readonly root: string
}

export async function recoverGateway(options: RecoverOptions): Promise<Exit> {
  const bar = progress(options.json)
  const target = await targetOf(options)
  const mnemonic = await mnemonicFrom(options)
  await mustBeFree(target)
  const borrowed = target.plan === null ? null : await borrowNetwork(target.root, target.plan, bar)
  try {
    const desk = await openChainDesk({ ...target, folder: target.plan === null ? target.folder : target.root })
    try {
      const keys = deriveKeys(desk.crypto, mnemonic)
      const wallet = walletOf(desk, keys)
      bar.step(`account ${wallet.account}`)
      const report = await rebuild(desk, target, keys, wallet, options, bar)
      bar.done()
      if (options.json) printJson(report)
      else say(target, report, target.plan !== null && borrowed === null)
      return report.unreachable.length === 0 ? 0 : 1
    } finally {
      await desk.close()
    }
  } finally {
    await borrowed?.stop()
  }
}

async function targetOf(options: RecoverOptions): Promise<Target> {
  if (options.network === undefined) {
    const place = await findPlace(options.data)
    if (place.plan === null || place.gateway === null) {
      throw new CairnError('CONFIG', {
        what: place.folder,
        why: 'it is not the folder of `cairn up`',
        fix: 'name that one, or an empty folder together with --network <descriptor>',
      })
    }
    return { ...place, root: place.folder, folder: place.gateway, plan: place.plan }
  }
  const folder = dataFolder(options.data)
  const descriptor = await readDescriptor(options.network)
  const deployment = join(folder, 'deployment.json')
  await mkdir(folder, { recursive: true })
  await saveDeployment(deployment, descriptor.deployment)
  return { folder, root: folder, rpc: descriptor.chain.rpc, deployment, net: descriptor.net, verifiers: descriptor.verifiers, plan: null }
}

async function mnemonicFrom(options: RecoverOptions): Promise<string> {
  if (options.mnemonic !== undefined) return options.mnemonic
  if (options.mnemonicFile !== undefined) {
    return readFile(options.mnemonicFile, 'utf8').catch(() => {
      throw new CairnError('CONFIG', {
        what: options.mnemonicFile ?? '',
        why: 'it cannot be read',
        fix: 'name a file that holds the words',
      })
    })
  }
  const known = process.env['CAIRN_MNEMONIC']
  if (known !== undefined) return known
  const fix = 'give --mnemonic-file, --mnemonic or CAIRN_MNEMONIC; `cairn account show --mnemonic` shows it where the account was made'
  throw new CairnError('CONFIG', { what: 'the mnemonic', why: 'a recovery begins with it', fix })
}

/** A recovery writes nothing over a gateway that is there, nor beside one that runs without its folder. */
async function mustBeFree(target: Target): Promise<void> {
  if (await exists(join(target.folder, 'state.db'))) {
    throw new CairnError('DATA_FOLDER', {
      path: target.folder,
      why: 'a gateway is in it',
      fix: 'recover into an empty folder, or move this one away first',
    })
  }
  const port = target.plan?.ports.s3
  if (port !== undefined && (await answers(port))) {
    throw new CairnError('DATA_FOLDER', {
      path: target.folder,
      why: `its gateway still runs, on port ${port}, although its folder is gone`,
      fix: 'stop `cairn up`, or end that process, and start the recovery again',
    })
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: HOST, port, timeout: 2_000 })
    const end = (is: boolean) => () => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
  })

/** The first account of the mnemonic that this chain knows as a customer. */
function walletOf(desk: ChainDesk, keys: AccountKeys): WalletKey {
  const { view } = desk.access
  const wallets = Array.from({ length: ACCOUNTS }, (_, index) => keys.wallet(index))
  const found =
    wallets.find(({ account }) => view.pointer(account) !== null) ?? wallets.find(({ account }) => view.channelsOf(account).length > 0)
  if (found !== undefined) return found
  const why = `no pointer of this account; is it the right mnemonic? None of its first ${ACCOUNTS} accounts (${wallets[0]?.account}, …) has stored anything on the chain at ${desk.rpc.url}`
  throw new CairnError('CONFIG', { what: 'the mnemonic', why, fix: 'check the words, and that this is the network' })
}

interface Report {
  readonly account: Account
  readonly sessionKey: Address
  readonly snapshot: bigint | null
  readonly batches: number
  readonly buckets: number
  readonly objects: number
  /** What may be missing at the end of the log, with --allow-loss. */
  readonly shortened: string | null
  /** Pieces that providers keep for this account and nothing names: kept, and not signed away. */
  readonly orphans: number
  readonly vouchers: number
  /** Devices that did not answer; their data sets are taken over when they do. */
  readonly unreachable: readonly string[]
  readonly s3: { readonly endpoint: string | null; readonly region: string; readonly accessKey: string; readonly secretKey: string }
  readonly data: string
}

async function rebuild(
  desk: ChainDesk,
  target: Target,
  keys: AccountKeys,
  wallet: WalletKey,
  options: RecoverOptions,
  bar: Progress,
): Promise<Report> {
  const { account } = wallet
  // Built beside its place and moved there at the end: a recovery that was cut off leaves nothing half done there, and goes
  // on here, with the same session key, when the command is given again.
  const work = `${target.folder}.recovering`
  const begun = await begunIn(work, account, bar)
  const sessionKey = await sessionOf(desk, begun?.sessionKey ?? planKey(target.plan), wallet, bar)
  const config =
    begun !== null && equalBytes(begun.sessionKey, sessionKey) ? begun : configOf(desk, target, keys, wallet, sessionKey, options.port)
  await writeConfig(work, gatewayConfig, config)
  const backend = await openBackend(desk, work, config)
  const signal = AbortSignal.timeout(RECOVER_MS)
  let counts: Omit<Report, 'account' | 'sessionKey' | 's3' | 'data'>
  try {
    const how = { progress: bar.step, patienceMs: RECOVER_PATIENCE_MS, allowLoss: options.allowLoss }
    bar.step('asking providers for the metadata')
    const found = await recover(backend.store, desk.access.view.pointer(account), how, signal)
    const adopted = await adoptAll(backend, bar)
    bar.step('asking providers for the last vouchers')
    const vouchers = await adoptVouchers({
      rt: backend.rt,
      // Every resource is a Resource of some kind.
      resource: storage as unknown as Resource<Kind>,
      payees: storagePayees(backend.store),
      net: desk.network.id,
      account,
      sessionKey,
      verifiers: [],
      asOf: desk.access.asOf,
    })
    concludeRecovery(backend.store, found)
    counts = { ...found, ...adopted, vouchers }
  } finally {
    await backend.close()
  }
  // First, since `cairn up` writes the gateway's configuration from it.
  if (target.plan !== null) await writePlan(target.root, { ...target.plan, sessionKey: `0x${toHex(sessionKey)}` })
  await moveInto(work, target.folder)
  const key = config.firstKey ?? { accessKey: '', secretKey: '' }
  const endpoint = config.port === 0 ? null : `http://${HOST}:${config.port}`
  const s3 = { endpoint, region: config.region, ...key }
  return { account, sessionKey: addressOf(desk, sessionKey), ...counts, s3, data: target.folder }
}

/** What a recovery of this account that was cut off left behind; of another account it is deleted. */
async function begunIn(work: string, account: Account, bar: Progress): Promise<GatewayConfig | null> {
  const config = (await exists(join(work, 'config.json'))) ? await readConfig(work, gatewayConfig).catch(() => null) : null
  if (config?.account === account) {
    bar.step('going on with the recovery that was cut off')
    return config
  }
  await rm(work, { recursive: true, force: true })
  return null
}

const planKey = (plan: Plan | null): Uint8Array | null => (plan === null ? null : secret(plan.sessionKey))

/** The session key that is known while the chain still takes it; else a new one, delegated by the wallet. */
async function sessionOf(desk: ChainDesk, known: Uint8Array | null, wallet: WalletKey, bar: Progress): Promise<Uint8Array> {
  const { view } = desk.access
  if (known !== null && view.sessionActive(wallet.account, addressOf(desk, known), ALL_SCOPES, desk.clock.now())) return known
  bar.step('delegating a new session key on chain')
  return delegateSession(desk, wallet)
}

function configOf(
  desk: ChainDesk,
  target: Target,
  keys: AccountKeys,
  wallet: WalletKey,
  sessionKey: Uint8Array,
  port: number,
): GatewayConfig {
  const { plan } = target
  const operators = new Set(desk.access.view.devices(desk.network.id).map((row) => row.owner)).size
  const firstKey = plan === null ? drawKey(desk.random) : { accessKey: plan.accessKey, secretKey: plan.secretKey }
  return {
    role: 'gateway',
    rpc: target.rpc,
    deployment: target.deployment,
    net: target.net,
    log: 'info',
    adminPort: 0,
    account: wallet.account,
    sessionKey,
    transportKey: plan === null ? desk.random.bytes(32) : secret(plan.gatewayKey),
    storageRoot: keys.storageRoot,
    host: HOST,
    port: plan?.ports.s3 ?? port,
    region: REGION,
    sync: false,
    redundancy: redundancyOf(plan?.nodes.length ?? operators),
    firstKey,
    verifiers: [...target.verifiers],
  }
}

async function adoptAll(backend: Backend, bar: Progress): Promise<{ orphans: number; unreachable: readonly string[] }> {
  const devices = backend.store.providers.known()
  let orphans = 0
  const unreachable: string[] = []
  for (const [i, { id }] of devices.entries()) {
    bar.step('taking over co-signed data sets', i, devices.length)
    const adopted = await adoptOne(backend, id)
    if (adopted === null) unreachable.push(id)
    else orphans += adopted.orphans
  }
  return { orphans, unreachable }
}

/** A provider that does not answer is left to the gateway, which takes over its set when it signs the next. */
async function adoptOne(backend: Backend, device: DeviceId): Promise<{ readonly orphans: number } | null> {
  for (let tries = 1; tries <= ADOPT_TRIES; tries += 1) {
    const adopted = await adoptManifest(backend.store, device).catch(() => null)
    if (adopted !== null) return adopted
    if (tries < ADOPT_TRIES) await backend.rt.clock.sleep(ADOPT_AGAIN_MS)
  }
  return null
}

/** Renames file by file, since a supervisor may have put its log into the folder already. */
async function moveInto(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const name of ['state.db', 'config.json']) await rename(join(from, name), join(to, name))
  await rm(from, { recursive: true, force: true })
}

function say(target: Target, report: Report, isUp: boolean): void {
  print(`recovered ${report.objects} object(s) in ${report.buckets} bucket(s)`)
  const source = report.snapshot === null ? 'no snapshot' : `snapshot ${report.snapshot}`
  print(`  from      ${source} and ${report.batches} batch(es) of the log after it`)
  print(`  kept      ${report.orphans} piece(s) that nothing names any more; ${report.vouchers} voucher(s) taken over`)
  if (report.unreachable.length > 0)
    print(`  silent    ${report.unreachable.join(', ')}: run it again into an empty folder, or let repair replace their pieces`)
  if (report.shortened !== null) print(`  MISSING   what was stored last may be lost: ${report.shortened}`)
  print(`  key       ${report.s3.accessKey}   secret ${report.s3.secretKey}`)
  print('Other access keys are gone with the old folder; make new ones with `cairn key create`.')
  if (isUp) print('`cairn up` is running and starts it within seconds.')
  else print(target.plan === null ? `Start it: cairn run gateway --data ${target.folder}` : `Start it: cairn up --data ${target.root}`)
}
