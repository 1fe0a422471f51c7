/**
 * The whole network under faults, for a few seeds; and the same with a bug planted for each invariant, which must trip it.
 * `CAIRN_SIM_SEEDS` runs more seeds, `./cairn sim` larger networks.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_FAULTS, type FaultRates, MUTANTS, type Mutant, NO_FAULTS, type Role, replayOf, runSimulations, simulate } from './index.ts'

const SEEDS = Number(process.env['CAIRN_SIM_SEEDS'] ?? 1)
const NODES = Number(process.env['CAIRN_SIM_NODES'] ?? 12)
const EPOCHS = Number(process.env['CAIRN_SIM_EPOCHS'] ?? 6)

test('the network keeps every promise under faults and cheaters', async () => {
  const lines: string[] = []
  const options = { nodes: NODES, epochs: EPOCHS, seeds: SEEDS, first: 1, cheaters: 300_000, mutant: null }
  const { ok, failures } = await runSimulations({ ...options, say: (line) => lines.push(line) })
  assert.ok(ok, `${failures.join('\n')}\n${lines.join('\n')}`)
})

interface Plan {
  readonly rates?: Partial<FaultRates>
  readonly cheaters?: number
  readonly cast?: readonly Role[]
  readonly nodes?: number
  readonly epochs: number
}

/** The least in which each bug can show itself. */
const PLANS: Readonly<Record<Exclude<Mutant, 'real-randomness'>, Plan>> = {
  'ack-before-sync': { rates: { blackout: 900_000 }, epochs: 8 },
  'no-authentication': { cast: [{ is: 'corrupts' }, { is: 'corrupts' }], epochs: 4 },
  'pays-claims-twice': { epochs: 5 },
  'forgets-totals': { epochs: 5 },
  'bills-twice': { epochs: 5 },
  'never-forgives': { rates: { verifierCut: 1_000_000 }, epochs: 8 },
  'believes-everything': { cheaters: 500_000, nodes: 16, epochs: 4 },
  'never-reads': { cast: [{ is: 'corrupts' }], epochs: 6 },
  'scores-by-chance': { epochs: 5 },
  'no-repair': { rates: { nodeLoss: 1_000_000 }, nodes: 16, epochs: 5 },
}

for (const [mutant, plan] of Object.entries(PLANS) as [Exclude<Mutant, 'real-randomness'>, Plan][]) {
  test(`the planted bug ${mutant} trips invariant ${MUTANTS[mutant]}`, async () => {
    const { nodes = 8, epochs, cheaters = 0, cast = [] } = plan
    const report = await simulate({ seed: 3n, nodes, epochs, cheaters, cast, rates: { ...NO_FAULTS, ...plan.rates }, mutant })
    const tripped = report.violations.map((violation) => violation.invariant)
    assert.ok(tripped.includes(MUTANTS[mutant]), `it tripped ${tripped.join(', ') || 'nothing'}`)
  })
}

test('a gateway whose machine is gone is rebuilt with all that its log had taken to the providers', async () => {
  // Without lost or rotten disks: they and cheaters together could be all that keep a batch.
  const rates = { ...ALL_FAULTS, nodeLoss: 0, rot: 0, gatewayLoss: 500_000 }
  const { violations, lines } = await simulate({ seed: 2n, nodes: NODES, epochs: EPOCHS, cheaters: 100_000, rates })
  assert.deepEqual(violations, [])
  const times = (what: string): number => lines.filter((line) => line.includes(what)).length
  assert.ok(times('the gateway’s machine is gone') > 1)
  assert.equal(times('the gateway is rebuilt'), times('the gateway’s machine is gone'))
})

test('who is never given a voucher takes what it proved, from the first epoch on', async () => {
  const nodes = 8
  const { violations, lines } = await simulate({ seed: 3n, nodes, epochs: 4, rates: NO_FAULTS, cheaters: 0, miser: true })
  assert.deepEqual(violations, [])
  const took = new Set(lines.filter((line) => line.includes('took proved usage without the payer')).map((line) => line.split(' ')[1]))
  assert.equal(took.size, nodes)
  assert.ok(!lines.some((line) => line.includes('redeemed vouchers')))
})

for (const odd of ['lies', 'away'] as const) {
  test(`a quorum of four verifiers keeps every promise when one of them ${odd === 'lies' ? 'signs what it likes' : 'never comes'}`, async () => {
    const report = await simulate({ seed: 3n, nodes: 8, epochs: 0, rates: NO_FAULTS, cheaters: 0, odd })
    assert.deepEqual(report.violations, [])
    assert.ok(report.settled >= 4, `${report.settled} epochs were settled`)
    const told = report.lines.filter((line) => line.includes('a verifier signed another root'))
    assert.equal(
      told.some((line) => line.includes('verifier0')),
      odd === 'lies',
    )
  })
}

test('equal seeds give equal runs, other seeds others, and real randomness gives itself away', async () => {
  const options = { nodes: 8, epochs: 1, cheaters: 0, rates: { ...ALL_FAULTS, blackout: 1_000_000 } }
  const [first, again, other, leaky, leakier] = [
    await simulate({ ...options, seed: 5n }),
    await simulate({ ...options, seed: 5n }),
    await simulate({ ...options, seed: 6n }),
    await simulate({ ...options, seed: 5n, mutant: 'real-randomness', leak: Math.random }),
    await simulate({ ...options, seed: 5n, mutant: 'real-randomness', leak: Math.random }),
  ]
  assert.equal(first.trace, again.trace)
  assert.notEqual(first.trace, other.trace)
  assert.notEqual(leaky.trace, leakier.trace)
})

test('a failing seed is told with one command that runs it again', () => {
  const options = { nodes: 9, epochs: 4, seeds: 3, first: 1, cheaters: 0, mutant: 'no-repair', say: () => undefined }
  assert.equal(replayOf(2n, options), './cairn sim --nodes 9 --epochs 4 --cheaters 0 --first 2 --seeds 1 --mutant no-repair')
})
