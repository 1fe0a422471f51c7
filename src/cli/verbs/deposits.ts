/** Deposits that their owner signs and somebody else submits, as files. */
import { z } from 'zod'
import { authorizationNonce, type SessionGrant } from '../../protocol/deposits.ts'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, address, bytesOf, type Digest, digest, digestOf } from '../../protocol/ids.ts'
import type { WalletKey } from '../../protocol/keys.ts'
import { domainSeparator, PERMIT, RECEIVE_WITH_AUTHORIZATION, tokenDomain, typedDataHash } from '../../protocol/typed-data.ts'
import type { SplitSignature } from '../../runtime/actions/wallets.ts'
import { concat, toHex } from '../../std/bytes.ts'
import type { ChainDesk } from './desk.ts'
import { field } from './json-file.ts'

const signature = { v: z.number().int().min(27).max(28), r: field.digest, s: field.digest }
const common = {
  format: z.literal('cairn-deposit/1'),
  chainId: z.number().int().positive(),
  escrow: field.address,
  /** The two that sign in domains known here; another token's wallet can use `--as key:FILE` and its own tools. */
  asset: z.enum(['token', 'credits']),
  amount: field.uint(128),
}

const permitDeposit = z.strictObject({
  ...common,
  kind: z.literal('permit'),
  owner: field.account,
  /** Who may take the money, and is trusted to deposit it. */
  spender: field.account,
  /** Of the owner's permits of this token: a later one than the chain's next cannot be submitted yet, an earlier one was. */
  nonce: field.uint(256),
  deadline: field.uint(64),
  ...signature,
})

const authorizedDeposit = z.strictObject({
  ...common,
  kind: z.literal('authorization'),
  from: field.account,
  to: field.account,
  validAfter: field.uint(64),
  validBefore: field.uint(64),
  grant: z.strictObject({ key: field.address, scope: field.net, limit: field.uint(128), until: field.seconds, salt: field.digest }),
  ...signature,
})

export const depositFile = z.discriminatedUnion('kind', [permitDeposit, authorizedDeposit])
export type PermitDeposit = z.output<typeof permitDeposit>
export type AuthorizedDeposit = z.output<typeof authorizedDeposit>
export type DepositFile = z.output<typeof depositFile>

export const NO_GRANT: Omit<SessionGrant, 'salt'> = { key: address(`0x${'00'.repeat(20)}`), scope: 0, limit: 0n, until: 0 }

export function split(bytes: Uint8Array): SplitSignature {
  const [v = 0] = bytes.subarray(64)
  return { v, r: digestOf(bytes.subarray(0, 32)), s: digestOf(bytes.subarray(32, 64)) }
}

const separatorOf = (desk: ChainDesk, asset: 'token' | 'credits'): Uint8Array =>
  domainSeparator(desk.crypto, tokenDomain(desk.access.view.chainId, asset, desk.access.view.addresses[asset]))

function permitHash(desk: ChainDesk, p: Omit<PermitDeposit, keyof SplitSignature>): Uint8Array {
  const { owner, spender, amount, nonce, deadline } = p
  return typedDataHash(desk.crypto, separatorOf(desk, p.asset), PERMIT, { owner, spender, value: amount, nonce, deadline })
}

function authorizationHash(desk: ChainDesk, p: Omit<AuthorizedDeposit, keyof SplitSignature>): Uint8Array {
  const { view } = desk.access
  const { from, to, amount, validAfter, validBefore, grant } = p
  const nonce = nonceOf(desk, { to, asset: p.asset, grant })
  const message = { from, to: view.addresses.escrow, value: amount, validAfter, validBefore, nonce }
  return typedDataHash(desk.crypto, separatorOf(desk, p.asset), RECEIVE_WITH_AUTHORIZATION, message)
}

export const nonceOf = (desk: ChainDesk, p: Pick<AuthorizedDeposit, 'to' | 'asset' | 'grant'>): Digest =>
  authorizationNonce(desk.crypto, p.to, desk.access.view.addresses[p.asset], p.grant)

const headOf = (desk: ChainDesk) =>
  ({ format: 'cairn-deposit/1', chainId: desk.access.view.chainId, escrow: desk.access.view.addresses.escrow }) as const

/** Signs an allowance for `spender` that is good until `deadline` (unix seconds), with the owner's next nonce. */
export async function signPermit(
  desk: ChainDesk,
  wallet: WalletKey,
  p: { asset: 'token' | 'credits'; amount: bigint; spender: Account; deadline: bigint },
): Promise<PermitDeposit> {
  const nonce = await desk.contracts.number(p.asset, 'nonces', wallet.account)
  const unsigned = { ...headOf(desk), kind: 'permit', ...p, owner: wallet.account, nonce } as const
  return { ...unsigned, ...split(desk.crypto.secp256k1.sign(wallet.secret, permitHash(desk, unsigned))) }
}

/** Signs a deposit into the account of `to`, and the session key that it registers, in one message. */
export function signAuthorization(
  desk: ChainDesk,
  wallet: WalletKey,
  p: { asset: 'token' | 'credits'; amount: bigint; to: Account; validBefore: bigint; grant: Omit<SessionGrant, 'salt'> },
): AuthorizedDeposit {
  const grant = { ...p.grant, salt: digest(`0x${toHex(desk.random.bytes(32))}`) }
  const unsigned = { ...headOf(desk), kind: 'authorization', ...p, from: wallet.account, validAfter: 0n, grant } as const
  return { ...unsigned, ...split(desk.crypto.secp256k1.sign(wallet.secret, authorizationHash(desk, unsigned))) }
}

/** Whether a permit was submitted before, by its spender or by somebody in front of it: its allowance is set. */
export const isPermitUsed = async (desk: ChainDesk, file: PermitDeposit): Promise<boolean> =>
  (await desk.contracts.number(file.asset, 'nonces', file.owner)) > file.nonce

/**
 * What would make the chain refuse a deposit at `now` (its seconds), said before anything is paid for it: another chain, a
 * signature that its owner did not make, one that is too late or was used, no money behind it. Throws CONFIG.
 */
export async function requireGood(desk: ChainDesk, file: DepositFile, now: number): Promise<void> {
  const bad = (why: string, fix: string): CairnError => new CairnError('CONFIG', { what: 'the deposit', why, fix })
  const { view } = desk.access
  if (file.chainId !== view.chainId || file.escrow !== view.addresses.escrow)
    throw bad('it is for another chain or another Escrow', 'submit it where it was signed for')
  const owner = file.kind === 'permit' ? file.owner : file.from
  const hash = file.kind === 'permit' ? permitHash(desk, file) : authorizationHash(desk, file)
  const by = desk.crypto.secp256k1.recover(hash, concat([bytesOf(file.r), bytesOf(file.s), Uint8Array.of(file.v)]))
  if (by === null || `0x${toHex(by)}` !== owner) throw bad('its owner did not sign it', 'have it signed anew')
  // The money of a used permit may be on its way already: what is left to do is to deposit it.
  if (file.kind === 'permit' && (await isPermitUsed(desk, file))) return
  if (BigInt(now) >= (file.kind === 'permit' ? file.deadline : file.validBefore)) throw bad('its time is over', 'have it signed anew')
  if (file.kind === 'authorization' && (await desk.contracts.read(file.asset, 'authorizationState', owner, nonceOf(desk, file))) === true)
    throw bad('it was submitted already, or taken back', 'look at the account: nothing is left to do')
  if ((await desk.contracts.number(file.asset, 'balanceOf', owner)) < file.amount)
    throw bad(`${owner} has less`, 'wait until it has as much')
}
