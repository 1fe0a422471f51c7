/**
 * Where the chain's clock of a quorum network starts. A set of verifiers is nominated for the week after, so a network that
 * shall pay today begins in the week before, and is moved to the present once its verifiers are nominated.
 */
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { WEEK_SECONDS } from '../../runtime/chain-index/index.ts'
import { chainFiles } from '../../runtime/real/chain/index.ts'
import { type Plan, QUORUM_LEAST, VERIFIERS_MAX } from './plan.ts'

/** Time for the setup before the week begins. */
const BEFORE_SECONDS = 3_600
/** While it ran, each verifier nominated itself for the week after, and a set serves one week more. */
const SERVES_WEEKS = 2

/** Throws CONFIG for a number of verifiers that can neither sign alone nor as a quorum. */
export function checkVerifiers(count: number): void {
  if (count === 1 || (count >= QUORUM_LEAST && count <= VERIFIERS_MAX)) return
  throw new CairnError('CONFIG', {
    what: `--verifiers ${count}`,
    why: `one signs alone, and a quorum has ${QUORUM_LEAST} members at least, since nobody counts more than a quarter`,
    fix: `give 1, or ${QUORUM_LEAST} to ${VERIFIERS_MAX}`,
  })
}

/**
 * Unix seconds at which the chain is to start; null for the present, which is whenever a set is in force. A setup that was
 * interrupted is begun anew, on an empty chain, since its blocks may be on either side of the move.
 */
export async function beginInPast(folder: string, plan: Plan, now: number): Promise<number | null> {
  const week = Math.floor(now / WEEK_SECONDS)
  const past = week * WEEK_SECONDS - BEFORE_SECONDS
  if (plan.net === null) {
    const remains = ['deployment.json', 'setup.db', 'setup.db-wal', 'setup.db-shm']
    await Promise.all(remains.map((name) => rm(join(folder, name), { force: true })))
    return past
  }
  // Each block is written when it is mined, so the newer of the files is as old as the network's last moment.
  const { state, blocks } = chainFiles(join(folder, 'chain'))
  const written = await Promise.all([state, blocks].map((file) => stat(file).catch(() => null)))
  const last = Math.floor(Math.max(...written.map((file) => file?.mtimeMs ?? 0)) / 1000 / WEEK_SECONDS)
  return last + SERVES_WEEKS < week ? past : null
}
