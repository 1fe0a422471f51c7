/** `cairn account session list|revoke`: the keys that act for an account. */
import { CairnError } from '../../protocol/errors.ts'
import { type Account, account as accountOf, address } from '../../protocol/ids.ts'
import { deriveKeys } from '../../protocol/keys.ts'
import { orThrow } from '../../runtime/actions/action.ts'
import { revokeSession as revoke } from '../../runtime/actions/registry.ts'
import { SCOPE, type SessionRow } from '../../runtime/chain.ts'
import { toHex } from '../../std/bytes.ts'
import { gatewayConfig, readConfig } from '../config.ts'
import { ACCOUNT } from '../up/plan.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { confirmed, dollars, type Exit, print, printJson, table } from './output.ts'
import { findPlace, gatewayOf } from './place.ts'

const SEND_MS = 120_000

const stateOf = (row: SessionRow, now: number): 'active' | 'expired' | 'revoked' =>
  row.revokedAt > 0 ? 'revoked' : now >= row.until * 1000 ? 'expired' : 'active'

const scopesOf = (scope: number): readonly string[] =>
  Object.entries(SCOPE)
    .filter(([, bit]) => (scope & bit) !== 0)
    .map(([name]) => name)

/** The account of this folder's gateway, with the key that the gateway signs with. */
async function ofGateway(desk: ChainDesk, data: string | undefined): Promise<{ account: Account; own: string }> {
  const config = await readConfig(gatewayOf(await findPlace(data)), gatewayConfig)
  return { account: accountOf(config.account), own: address(toHex(desk.crypto.secp256k1.address(config.sessionKey))) }
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

/** A revoked key is never taken again; vouchers that it signed stay good for seven days. */
export async function revokeSession(key: string, options: { data?: string; json: boolean; dryRun: boolean; yes: boolean }): Promise<Exit> {
  const place = await findPlace(options.data)
  if (!/^0x[0-9a-fA-F]{40}$/.test(key)) {
    throw new CairnError('CONFIG', { what: key, why: 'it is no key', fix: 'take one of `cairn account session list`' })
  }
  if (place.plan === null) {
    throw new CairnError('CONFIG', {
      what: place.folder,
      why: 'it does not hold the account’s wallet key',
      fix: 'use the folder of `cairn up`, or your wallet',
    })
  }
  const desk = await openChainDesk(place)
  try {
    const { account, own } = await ofGateway(desk, options.data)
    const sessionKey = address(key.toLowerCase())
    const row = desk.access.view.session(account, sessionKey)
    if (row === null) throw new CairnError('NOT_FOUND', { what: 'session key', id: key })
    const harm = sessionKey === own ? ' The gateway of this folder signs with it and will stop serving.' : ''
    const question = `Revoke session key ${sessionKey} of ${account} for good?${harm}`
    if (options.dryRun) {
      if (options.json) printJson({ dryRun: true, key: sessionKey, state: stateOf(row, desk.clock.now()), gateway: sessionKey === own })
      else print(question)
      return 0
    }
    if (!(await confirmed(question, options.yes))) return 1
    const wallet = deriveKeys(desk.crypto, place.plan.mnemonic).wallet(ACCOUNT.customer)
    await orThrow('delegations.revoke', revoke(desk.signer(wallet.secret), { sessionKey }, { deadlineMs: SEND_MS }))
    if (options.json) printJson({ key: sessionKey, revoked: true })
    else print('revoked')
    return 0
  } finally {
    await desk.close()
  }
}
