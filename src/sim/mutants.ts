/**
 * Bugs planted on purpose, one for each invariant: a simulation that finds none of them finds nothing. Each is a small
 * change where the parties meet the world; the code under test stays as it is.
 */
import type { Account } from '../protocol/ids.ts'
import { ppm } from '../protocol/units.ts'
import type { Payees } from '../resources/payees.ts'
import type { Kind, Resource, Score } from '../resources/resource.ts'
import type { Kernel } from '../resources/storage/index.ts'
import type { Book } from '../roles/verifier/index.ts'
import type { Disk } from '../runtime/index.ts'
import type { GatewayBend } from './gateway.ts'
import { storageKind } from './network.ts'
import type { Invariant } from './violations.ts'
import type { World } from './world.ts'

export const MUTANTS = {
  'ack-before-sync': 1,
  'no-authentication': 2,
  'pays-claims-twice': 3,
  'forgets-totals': 4,
  'bills-twice': 5,
  'never-forgives': 6,
  'believes-everything': 7,
  'never-reads': 7,
  'scores-by-chance': 8,
  'no-repair': 9,
  'real-randomness': 10,
} as const satisfies Readonly<Record<string, Invariant>>

export type Mutant = keyof typeof MUTANTS

export interface Bends {
  readonly gateway: GatewayBend
  readonly verifierResource: Resource<Kind>
  book(book: Book): Book
  disk(disk: Disk): Disk
  onClaimed(world: World): ((operator: Account, amount: bigint) => void) | null
}

/** A disk that says yes before anything is on it. */
const forgetful = (disk: Disk): Disk => ({
  ...disk,
  async open(path) {
    const file = await disk.open(path)
    return { ...file, sync: async () => undefined }
  },
})

/** Takes what the shards decode to, whoever sent them. */
const credulous = (kernel: Kernel): Kernel =>
  derived(kernel, { decode: (...args) => kernel.decode(...args).then(() => ({ ok: true }) as const) })

const unable = (kernel: Kernel): Kernel => derived(kernel, { rebuild: () => Promise.reject(new Error('nothing is rebuilt')) })

/** A kernel's methods live on its prototype, so they are named one by one. */
function derived(kernel: Kernel, over: Partial<Kernel>): Kernel {
  return {
    k: kernel.k,
    n: kernel.n,
    acquire: (signal) => kernel.acquire(signal),
    release: (slab) => kernel.release(slab),
    encode: (...args) => kernel.encode(...args),
    decode: (...args) => kernel.decode(...args),
    rebuild: (...args) => kernel.rebuild(...args),
    root: (leaves) => kernel.root(leaves),
    leavesOf: (bytes) => kernel.leavesOf(bytes),
    digester: (kinds) => kernel.digester(kinds),
    close: () => kernel.close(),
    ...over,
  }
}

const twice = (payees: Payees): Payees => ({
  ...payees,
  rates: payees.rates,
  served() {
    const rows = payees.served()
    return [...rows, ...rows]
  },
})

/** Whoever was paid once and then missed an epoch, for whatever reason, stays unpaid. */
function unforgiving(): Resource<Kind> {
  const paid = new Set<string>()
  const marked = new Set<string>()
  return scoring((score) => {
    if (score.score > 0) paid.add(score.subject)
    else if (paid.has(score.subject)) marked.add(score.subject)
    return marked.has(score.subject) ? { ...score, score: ppm(0) } : score
  })
}

function moody(): Resource<Kind> {
  let calls = 0
  return scoring((score) => {
    calls += 1
    return calls % 5 === 0 ? { ...score, score: ppm(Math.floor(score.score / 2)) } : score
  })
}

const scoring = (change: (score: Score) => Score): Resource<Kind> => ({
  ...storageKind,
  score(group, carry) {
    const { scores, carry: next } = storageKind.score(group, carry)
    return { scores: scores.map(change), carry: next }
  },
})

export function bendsOf(mutant: Mutant | null): Bends {
  const resources: Partial<Record<Mutant, () => Resource<Kind>>> = {
    'never-forgives': unforgiving,
    'scores-by-chance': moody,
    'never-reads': () => ({ ...storageKind, observe: async () => [] }),
    'believes-everything': () => ({ ...storageKind, verify: () => ({ ok: true, units: {} }) }),
  }
  const kernels: Partial<Record<Mutant, (kernel: Kernel) => Kernel>> = { 'no-authentication': credulous, 'no-repair': unable }
  const kernel = mutant === null ? undefined : kernels[mutant]
  return {
    gateway: {
      ...(kernel === undefined ? {} : { kernel }),
      ...(mutant === 'bills-twice' ? { payees: twice } : {}),
    },
    verifierResource: (mutant === null ? undefined : resources[mutant])?.() ?? storageKind,
    book: (book) => (mutant === 'forgets-totals' ? { ...book, lastSettled: () => null } : book),
    disk: (disk) => (mutant === 'ack-before-sync' ? forgetful(disk) : disk),
    onClaimed(world) {
      if (mutant !== 'pays-claims-twice') return null
      const { tokens } = world.chain.state
      const { token, rewards } = world.chain.addresses
      return (operator) => tokens.move(token, rewards, operator, 1n)
    },
  }
}
