/** A new session key for a gateway: delegated on chain by the account's wallet, with coins for its own transactions. */
import { type Account, type Address, address, type Hex } from '../../protocol/ids.ts'
import type { WalletKey } from '../../protocol/keys.ts'
import { orThrow } from '../../runtime/actions/action.ts'
import { registerSession } from '../../runtime/actions/registry.ts'
import { SCOPE } from '../../runtime/chain.ts'
import { createSigner, openTxQueue } from '../../runtime/real/chain/index.ts'
import { toHex } from '../../std/bytes.ts'
import type { ChainDesk } from './desk.ts'

/** What a gateway's key must be able to do. */
export const ALL_SCOPES = SCOPE.voucher | SCOPE.storage | SCOPE.pointer
const SESSION_SECONDS = 365 * 24 * 3600
/** Coins with which a session key pays for its pointers; a tenth of what the wallet has when that is less. */
const SESSION_GAS = 10n ** 18n
const SEND_MS = 120_000
const SEEN_MS = 60_000

export const addressOf = (desk: ChainDesk, key: Uint8Array): Address => address(toHex(desk.crypto.secp256k1.address(key)))

/** The secret of a key that is new, and known to every confirmed view as old as this one's. Throws REVERTED or DEADLINE. */
export async function delegateSession(desk: ChainDesk, wallet: WalletKey): Promise<Uint8Array> {
  const made = desk.random.bytes(32)
  const sessionKey = addressOf(desk, made)
  const { rpc, clock, log, database } = desk
  const { view } = desk.access
  const { chain, chainId, addresses } = desk.access.deployment
  const queue = openTxQueue({ rpc, clock, log, database, chain, chainId, secret: wallet.secret, confirmations: 3, pollMs: 200 })
  try {
    const balance = await rpc.balance(`0x${wallet.account.slice(2)}`)
    const value = balance / 10n < SESSION_GAS ? balance / 10n : SESSION_GAS
    const limit = limitOf(desk, wallet.account)
    const until = Math.floor(clock.now() / 1000) + SESSION_SECONDS
    const signer = createSigner(queue, addresses)
    const coins: Hex = `0x${sessionKey.slice(2)}`
    await Promise.all([
      orThrow('delegations.register', registerSession(signer, { sessionKey, scope: ALL_SCOPES, limit, until }, { deadlineMs: SEND_MS })),
      queue.submit({ to: coins, data: '0x', value, label: 'coins for the session key' }, SEND_MS),
    ])
  } finally {
    await queue.close()
  }
  // Providers judge by their own confirmed view, which is as old as this one.
  using deadline = clock.deadline('seeing the session key on chain', SEEN_MS)
  while (!view.sessionActive(wallet.account, sessionKey, ALL_SCOPES, clock.now())) {
    deadline.signal.throwIfAborted()
    await view.advanced(1000, deadline.signal)
  }
  return made
}

/** A session key may draw what the account has set aside, and no more. */
function limitOf(desk: ChainDesk, account: Account): bigint {
  const { view } = desk.access
  const { available, thawing } = view.escrow(account, view.addresses.credits)
  return view.channelsOf(account).reduce((sum, channel) => sum + channel.earmark + channel.redeemed, available + thawing)
}
