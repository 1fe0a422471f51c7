/**
 * Whose key a verb signs with. In a folder of `cairn up` every party's wallet follows from the plan's mnemonic and has a
 * name; a daemon's folder holds that daemon's own key; any other wallet comes from a file.
 */
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Crypto } from '../../protocol/crypto.ts'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, account as accountOf } from '../../protocol/ids.ts'
import { deriveKeys, type WalletKey } from '../../protocol/keys.ts'
import type { ChainSigner } from '../../runtime/chain.ts'
import { fromHex, toHex } from '../../std/bytes.ts'
import { nodeConfig, readConfig, verifierConfig } from '../config.ts'
import { ACCOUNT, DELEGATORS, type Plan } from '../up/plan.ts'
import type { ChainDesk } from './desk.ts'
import type { Place } from './place.ts'

/** What `--as` takes, for help texts. */
export const ACTORS = 'holder, customer, verifier:N, operator:N, delegator:N, or key:FILE'

const KEY_BYTES = 32
/** A key is 64 digits; whatever is longer is another kind of file. */
const KEY_FILE_MAX = 200

const unknown = (name: string, why: string, fix = `give --as one of ${ACTORS}`): CairnError =>
  new CairnError('CONFIG', { what: `the signer ${JSON.stringify(name)}`, why, fix })

/** Names that need no number. */
const SINGLE: Readonly<Record<string, number>> = { holder: ACCOUNT.holder, customer: ACCOUNT.customer, verifier: ACCOUNT.verifier }

/** Index under the plan's mnemonic; null for a word that names no party of it. */
function indexOf(name: string, plan: Plan): number | null {
  const nodes = plan.nodes.length
  const single = SINGLE[name]
  if (single !== undefined) return single
  const [, party, digits] = /^(operator|delegator|verifier):([1-9]\d{0,3})$/.exec(name) ?? []
  if (party === undefined || digits === undefined) return null
  const n = Number(digits)
  const most = { operator: nodes, delegator: DELEGATORS, verifier: 1 + plan.moreVerifiers.length }[party] ?? 0
  if (n > most) throw unknown(name, `this network has ${most} of them`, `count from 1 to ${most}`)
  if (party === 'verifier') return ACCOUNT.verifierAt(n - 1)
  return party === 'operator' ? ACCOUNT.operator(n - 1) : ACCOUNT.delegator(nodes, n - 1)
}

/** A 32-byte key in hexadecimal, which nobody but its owner may read: the rule that ssh has for its own. */
async function fromFile(crypto: Crypto, path: string): Promise<WalletKey> {
  const facts = await stat(path).catch(() => null)
  if (facts === null) throw unknown(`key:${path}`, 'there is no such file')
  if (process.platform !== 'win32' && (facts.mode & 0o077) !== 0)
    throw unknown(`key:${path}`, 'others may read the file', `run: chmod 600 ${path}`)
  const text = facts.size > KEY_FILE_MAX ? '' : (await readFile(path, 'utf8')).trim()
  const secret = fromHex(text)
  if (secret === null || secret.length !== KEY_BYTES)
    throw unknown(`key:${path}`, 'it is no key', 'put the 64 hexadecimal digits of the private key into it')
  return { account: accountOf(toHex(crypto.secp256k1.address(secret))), secret }
}

/** The one key that a daemon's own folder holds; null for a role that it does not have. */
async function ofDaemon(crypto: Crypto, place: Place, name: string): Promise<WalletKey | null> {
  const node = place.nodes[0]
  const secret =
    name === 'operator' && node !== undefined
      ? (await readConfig(node, nodeConfig)).operatorKey
      : name === 'verifier' && place.verifier !== null
        ? (await readConfig(place.verifier, verifierConfig)).verifierKey
        : null
  return secret === null ? null : { account: accountOf(toHex(crypto.secp256k1.address(secret))), secret }
}

/**
 * The key behind `--as`: `holder`, `customer`, `verifier` (or `verifier:N`), `operator:N` or `delegator:N` (from 1) of a
 * local network, `operator` or `verifier` of a daemon's folder, `key:FILE` anywhere.
 * @throws `CONFIG` with what to give instead.
 */
export async function actorKey(crypto: Crypto, place: Place, as: string): Promise<WalletKey> {
  if (as.startsWith('key:')) return fromFile(crypto, resolve(as.slice('key:'.length)))
  if (place.plan === null) {
    const own = await ofDaemon(crypto, place, as)
    if (own !== null) return own
    throw unknown(as, 'this folder does not have that key', 'use the folder of `cairn up`, or give --as key:FILE')
  }
  const index = indexOf(as, place.plan)
  if (index === null) throw unknown(as, 'no party of a local network has that name')
  return deriveKeys(crypto, place.plan.mnemonic).wallet(index)
}

/** Signs for `as` until the desk is closed. Throws as `actorKey` does. */
export const openActor = async (desk: ChainDesk, place: Place, as: string): Promise<ChainSigner> =>
  desk.signer((await actorKey(desk.crypto, place, as)).secret)

/** The account of an address or of a name that `--as` takes. Throws as `actorKey` does. */
export async function accountNamed(crypto: Crypto, place: Place, name: string): Promise<Account> {
  return /^0x[0-9a-fA-F]{40}$/.test(name) ? accountOf(name) : (await actorKey(crypto, place, name)).account
}
