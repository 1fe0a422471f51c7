/** `cairn account session list|renew|revoke`: the keys that act for an account. */
import { CairnError } from '../../protocol/errors.ts'
import { type Account, account as accountOf, address } from '../../protocol/ids.ts'
import { deriveKeys } from '../../protocol/keys.ts'
import { orThrow } from '../../runtime/actions/action.ts'
import { revokeSession as revoke } from '../../runtime/actions/registry.ts'
import { SCOPE, type SessionRow } from '../../runtime/chain.ts'
import { toHex } from '../../std/bytes.ts'
import { gatewayConfig, readConfig, writeConfig } from '../config.ts'
import { ACCOUNT, type Plan, writePlan } from '../up/plan.ts'
import { askStatus, runningDaemon } from './daemons.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { upProcess } from './local-network.ts'
import { confirmed, dollars, type Exit, print, printJson, progress, table } from './output.ts'
import { findPlace, gatewayOf, type Place } from './place.ts'
import { addressOf, delegateSession } from './session-key.ts'

const SEND_MS = 120_000
/** A view is a block or two behind another; a busy machine adds some seconds. */
const SEEN_MS = 6_000
/** It settles what was open before it ends, and reads its chain's rows before it serves. */
const START_MS = 60_000
const START_POLL_MS = 200

const stateOf = (row: SessionRow, now: number): 'active' | 'expired' | 'revoked' =>
  row.revokedAt > 0 ? 'revoked' : now >= row.until * 1000 ? 'expired' : 'active'

const scopesOf = (scope: number): readonly string[] =>
  Object.entries(SCOPE)
    .filter(([, bit]) => (scope & bit) !== 0)
    .map(([name]) => name)

/** The account of this folder's gateway, with the key that the gateway signs with. */
async function ofGateway(desk: ChainDesk, data: string | undefined): Promise<{ account: Account; own: string }> {
  const config = await readConfig(gatewayOf(await findPlace(data)), gatewayConfig)
  return { account: accountOf(config.account), own: addressOf(desk, config.sessionKey) }
}

export async function listSessions(options: { data?: string; json: boolean }): Promise<Exit> {
  const desk = await openChainDesk(await findPlace(options.data))
  try {
    const { account, own } = await ofGateway(desk, options.data)
    const now = desk.clock.now()
    const rows = desk.access.view.sessionsOf(account).map((row) => ({
      key: row.key,
      state: stateOf(row, now),
      scopes: scopesOf(row.scope),
      limit: row.limit,
      until: new Date(row.until * 1000).toISOString(),
      gateway: row.key === own,
    }))
    if (options.json) printJson(rows)
    else {
      const cells = rows.map((row) => [
        row.key,
        row.state,
        row.scopes.join(','),
        dollars(row.limit),
        row.until,
        row.gateway ? 'this gateway' : '',
      ])
      print(table(['key', 'state', 'scopes', 'limit', 'until', ''], cells))
    }
    return 0
  } finally {
    await desk.close()
  }
}

/** What changes keys takes. */
interface ChangeOptions {
  readonly data?: string
  readonly json: boolean
  readonly dryRun: boolean
  readonly yes: boolean
}

/** The plan of the place, which holds the words of the account's wallet. */
function planOf(place: Place): Plan {
  if (place.plan !== null) return place.plan
  throw new CairnError('CONFIG', {
    what: place.folder,
    why: 'it does not hold the account’s wallet key',
    fix: 'use the folder of `cairn up`, or your wallet',
  })
}

/**
 * Gives the gateway another key and starts it with that. The old one stays what it was, so that nothing fails meanwhile; what it
 * signed counts until a week after its end, and the gateway signs its data sets anew within an epoch.
 */
export async function renewSession(options: ChangeOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  const plan = planOf(place)
  const folder = gatewayOf(place)
  const desk = await openChainDesk(place)
  const bar = progress(options.json)
  try {
    const { account, own } = await ofGateway(desk, options.data)
    const question = `Delegate a new session key of ${account} to the gateway in ${folder}, and start it again with that?`
    if (options.dryRun) {
      if (options.json) printJson({ dryRun: true, account, key: own })
      else print(question)
      return 0
    }
    if (!(await confirmed(question, options.yes))) return 1
    const wallet = deriveKeys(desk.crypto, plan.mnemonic).wallet(ACCOUNT.customer)
    if (wallet.account !== account) {
      const why = `its gateway works for ${account}, whose wallet key is not here`
      throw new CairnError('CONFIG', { what: folder, why, fix: 'delegate a key with the wallet of that account' })
    }
    bar.step('delegating a new session key on chain')
    const sessionKey = await delegateSession(desk, wallet)
    // First, since `cairn up` writes the gateway's configuration from it.
    await writePlan(place.folder, { ...plan, sessionKey: `0x${toHex(sessionKey)}` })
    await writeConfig(folder, gatewayConfig, { ...(await readConfig(folder, gatewayConfig)), sessionKey })
    // Providers judge by views of their own: one that is behind would refuse what the new key signs.
    bar.step('waiting for providers to see it')
    await desk.clock.sleep(SEEN_MS)
    bar.step('starting the gateway with it')
    const gateway = await restart(place.folder, folder, desk)
    bar.done()
    const key = addressOf(desk, sessionKey)
    if (options.json) printJson({ account, key, replaces: own, gateway })
    else {
      print(`the gateway signs with ${key}${gateway === 'restarted' ? '' : ' when it is started again'}`)
      print(`\`cairn account session revoke ${own}\` ends the old one`)
    }
    return 0
  } finally {
    bar.done()
    await desk.close()
  }
}

/** Ends the gateway's process when `cairn up` is there to start it again, and waits until it serves. */
async function restart(network: string, folder: string, { clock }: ChainDesk): Promise<'restarted' | 'running' | 'stopped'> {
  const before = await runningDaemon(folder)
  if (before === null) return 'stopped'
  if ((await upProcess(network)) === null) return 'running'
  process.kill(before.pid, 'SIGTERM')
  using deadline = clock.deadline('the gateway starting again: is `cairn up` still running?', START_MS)
  for (;;) {
    await clock.sleep(START_POLL_MS, deadline.signal)
    const now = await askStatus(folder)
    if (now !== null && now.pid !== before.pid && now.ready) return 'restarted'
  }
}

/** A revoked key is never taken again; what it signed stays good for seven days. */
export async function revokeSession(key: string, options: ChangeOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  if (!/^0x[0-9a-fA-F]{40}$/.test(key)) {
    throw new CairnError('CONFIG', { what: key, why: 'it is no key', fix: 'take one of `cairn account session list`' })
  }
  const plan = planOf(place)
  const desk = await openChainDesk(place)
  try {
    const { account, own } = await ofGateway(desk, options.data)
    const sessionKey = address(key.toLowerCase())
    const row = desk.access.view.session(account, sessionKey)
    if (row === null) throw new CairnError('NOT_FOUND', { what: 'session key', id: key })
    const harm =
      sessionKey === own
        ? ' The gateway of this folder signs with it and will stop serving; `cairn account session renew` gives it another first.'
        : ''
    const question = `Revoke session key ${sessionKey} of ${account} for good?${harm}`
    if (options.dryRun) {
      if (options.json) printJson({ dryRun: true, key: sessionKey, state: stateOf(row, desk.clock.now()), gateway: sessionKey === own })
      else print(question)
      return 0
    }
    if (!(await confirmed(question, options.yes))) return 1
    const wallet = deriveKeys(desk.crypto, plan.mnemonic).wallet(ACCOUNT.customer)
    await orThrow('delegations.revoke', revoke(desk.signer(wallet.secret), { sessionKey }, { deadlineMs: SEND_MS }))
    if (options.json) printJson({ key: sessionKey, revoked: true })
    else print('revoked')
    return 0
  } finally {
    await desk.close()
  }
}
