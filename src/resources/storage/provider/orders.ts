/** Whether a session-key order may be carried out: signature, scope, device, expiry, replay. */
import { type Account, address } from '../../../protocol/ids.ts'
import { domainSeparator, STORAGE_ORDER, storageDomain, typedDataHash } from '../../../protocol/typed-data.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import { toHex } from '../../../std/bytes.ts'
import { ORDER_OP, type Order } from '../messages.ts'
import { LIMIT, type Refused, refuse, type StorageProviderOptions } from './context.ts'
import type { Ledger } from './ledger.ts'

export type OrderOp = keyof typeof ORDER_OP

export interface OrderDesk {
  /** Checks an order and uses it up. Null: it may be carried out. */
  take(order: Order, ops: readonly OrderOp[]): Refused | null
  /** The same for a further page of one request: everything but the serial, which is used already. */
  again(order: Order, first: Order): Refused | null
  /** Whether `account` itself, or a key that it gave every bit of `scope`, made the signature. */
  signedBy(account: Account, scope: number, hash: Uint8Array, signature: Uint8Array): boolean
  /** Makes the used serials durable and, once in a while, forgets expired ones. */
  flush(): void
}

/** Orders with clocks that differ from ours by less than this are carried out. */
const SKEW_MS = 30_000
/** Expired serials are looked for this often: there may be a million. */
const SWEEP_MS = 60_000

export function createOrderDesk(options: StorageProviderOptions, ledger: Ledger): OrderDesk {
  const { chain, device } = options
  const { clock, crypto } = options.runtime
  const separator = domainSeparator(crypto, storageDomain(chain.chainId))
  // Replaying an order gains nobody anything that lasts: puts are idempotent, heads and vouchers are numbered, reads are
  // metered. So serials become durable within a second and not before each reply.
  const seen = new Map<string, number>()
  let sweepAt = 0
  let fresh: { account: Account; serial: bigint; expiry: number }[] = []
  const keyOf = (account: Account, serial: bigint): string => `${account}/${serial}`
  for (const row of ledger.serials()) seen.set(keyOf(row.account, row.serial), row.expiry)

  function signedBy(account: Account, scope: number, hash: Uint8Array, signature: Uint8Array): boolean {
    const signer = crypto.secp256k1.recover(hash, signature)
    if (signer === null) return false
    const key = address(toHex(signer))
    return key === (account as string) || chain.sessionActive(account, key, scope, clock.now())
  }

  function check(order: Order, ops: readonly OrderOp[]): Refused | null {
    const now = clock.now()
    if (order.device !== device.id) return refuse('unauthorized', 'the order names another device')
    if (!ops.some((op) => ORDER_OP[op] === order.op)) return refuse('unauthorized', `the order is not for ${ops.join(' or ')}`)
    if (order.expiry + BigInt(SKEW_MS) < BigInt(now)) return refuse('expired', `the order expired at ${order.expiry}, it is ${now}`)
    if (order.expiry > BigInt(now + LIMIT.orderMs + SKEW_MS)) return refuse('invalid', 'an order expires within a day')
    const { signature, ...body } = order
    if (!signedBy(order.account, SCOPE.storage, typedDataHash(crypto, separator, STORAGE_ORDER, body), signature)) {
      return refuse('unauthorized', 'the order is not signed by an active storage key of its account')
    }
    return null
  }

  return {
    signedBy,
    take(order, ops) {
      const refusal = check(order, ops)
      if (refusal !== null) return refusal
      const key = keyOf(order.account, order.serial)
      if (seen.has(key)) return refuse('replayed', `serial ${order.serial} was used`)
      if (seen.size >= LIMIT.serials) return refuse('busy', 'too many orders are remembered')
      const expiry = Number(order.expiry) + SKEW_MS
      seen.set(key, expiry)
      fresh.push({ account: order.account, serial: order.serial, expiry })
      return null
    },
    again(order, first) {
      if (order.account !== first.account) return refuse('unauthorized', 'the pages of a request are one account’s')
      return check(order, ['manage'])
    },
    flush() {
      const now = clock.now()
      const rows = fresh
      fresh = []
      if (rows.length > 0) ledger.keepSerials(rows)
      if (clock.monotonic() < sweepAt) return
      sweepAt = clock.monotonic() + SWEEP_MS
      ledger.dropSerials(now)
      for (const [key, expiry] of seen) if (expiry < now) seen.delete(key)
    },
  }
}
