/**
 * A set whose head has expired, or was signed by a key that its customer revoked or let expire a week ago, is proven and paid
 * no more (verify.ts, `admit`), though its pieces stay: a gateway may be away, or change its key and sign anew. Who has no
 * intention to pay could live on that, so such epochs are counted over a year, and in the end nothing of the set is signed for again.
 */
import type { Account } from '../../../protocol/ids.ts'
import { address } from '../../../protocol/ids.ts'
import type { UnixMs } from '../../../protocol/units.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import type { Database } from '../../../runtime/index.ts'
import { toHex } from '../../../std/bytes.ts'
import { HEAD_SECONDS_MIN } from '../data-set.ts'
import type { ProviderContext } from './context.ts'

const TABLE = `
CREATE TABLE IF NOT EXISTS storage_lapses (
  account TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, epochs INTEGER NOT NULL, PRIMARY KEY (account, first)
) WITHOUT ROWID`

/** A month in which a gateway may be gone, once a year: pieces are kept as long as those that nobody ever signed for. */
const KEPT_SECONDS = 30 * 24 * 3600
const MEMORY_SECONDS = 365 * 24 * 3600

export interface Lapse {
  /** Epochs in a row, the running one included, that nobody can be paid for. 0: the set is paid for. */
  readonly epochs: number
  /** Those of the past year together were more than a customer gets for nothing: nothing of the set is answered for any more. */
  readonly tooLong: boolean
  /** For the refusal. */
  readonly why: string
}

export interface LapseDesk {
  of(account: Account): Lapse
  /** Looks at what was signed before `epoch`, which has just begun and whose claims are fixed. Harmless when repeated. */
  look(epoch: number, accounts: readonly Account[]): void
}

const PAID: Lapse = { epochs: 0, tooLong: false, why: 'paid' }

function openTable(database: Database) {
  database.exec(TABLE)
  const sql = {
    newest: database.prepare('SELECT first, last, epochs FROM storage_lapses WHERE account = ? ORDER BY first DESC LIMIT 1'),
    keep: database.prepare('INSERT OR REPLACE INTO storage_lapses VALUES (?, ?, ?, ?)'),
    sum: database.prepare('SELECT coalesce(sum(epochs), 0) AS epochs FROM storage_lapses WHERE account = ?'),
    // What lies ahead was written under a clock that went wrong, and would hide what comes before it.
    forget: database.prepare('DELETE FROM storage_lapses WHERE last < ? OR first > ?'),
  }
  return {
    /** Adds one epoch to the row that ended with the epoch before, or begins a new one; how many it has. */
    add(account: Account, epoch: number): number {
      const row = sql.newest.get(account)
      const [first, last, epochs] = row === null ? [epoch, epoch - 1, 0] : [Number(row.first), Number(row.last), Number(row.epochs)]
      if (epoch <= last) return epochs
      const goesOn = epoch === last + 1
      sql.keep.run(account, goesOn ? first : epoch, epoch, goesOn ? epochs + 1 : 1)
      return goesOn ? epochs + 1 : 1
    },
    sum: (account: Account): number => Number(sql.sum.get(account)?.epochs ?? 0),
    /** All that ended before `before`, or begins after `now`. */
    forget: (before: number, now: number) => void sql.forget.run(before, now),
  }
}

export function createLapseDesk(at: ProviderContext): LapseDesk {
  const { chain, net, runtime, database } = at.options
  const table = openTable(database)
  const lapses = new Map<Account, Lapse>()

  /** Why the head that counts for `epoch` is worth nothing in it; null when it is worth something, or when nothing is kept. */
  function fault(account: Account, epoch: number, epochSeconds: number): string | null {
    const claim = at.ledger.claim(epoch, at.setIdOf(account))
    if (claim === null || claim.head.totalBytes === 0n) return null
    const begins = epoch * epochSeconds
    if (claim.head.expiresAt < begins + epochSeconds) return `its head expired at ${claim.head.expiresAt}`
    const signer = runtime.crypto.secp256k1.recover(at.headHash(claim.head), claim.customerSignature)
    const key = signer === null ? null : address(toHex(signer))
    const isValid =
      key !== null && (key === (account as string) || chain.sessionRedeemable(account, key, SCOPE.storage, (begins * 1000) as UnixMs))
    return isValid ? null : `the key that signed it, ${key}, was revoked or expired more than a week ago`
  }

  return {
    of: (account) => lapses.get(account) ?? PAID,
    look(epoch, accounts) {
      const network = chain.network(net)
      if (network === null) return
      const { epochSeconds } = network
      table.forget(epoch - Math.ceil(MEMORY_SECONDS / epochSeconds), epoch)
      lapses.clear()
      // No head can be renewed in time for epochs as long as itself: they are unpaid, and nobody's fault.
      if (2 * epochSeconds > HEAD_SECONDS_MIN) return
      for (const account of accounts) {
        const wrong = fault(account, epoch, epochSeconds)
        if (wrong === null) continue
        const epochs = table.add(account, epoch)
        const tooLong = table.sum(account) * epochSeconds > KEPT_SECONDS
        const why = `the data set is paid for no more since ${epochs} epochs: ${wrong}; it must be signed anew`
        lapses.set(account, { epochs, tooLong, why })
      }
    },
  }
}
