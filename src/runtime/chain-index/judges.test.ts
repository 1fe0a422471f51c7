import assert from 'node:assert/strict'
import { test } from 'node:test'
import { account, networkId } from '../../protocol/ids.ts'
import type { ChainEvent } from './event.ts'
import { createJudgesIndex } from './judges.ts'

const NET = networkId(2)
const PROVIDER = account(`0x${'b1'.repeat(20)}`)
const CHALLENGER = account(`0x${'d1'.repeat(20)}`)
const HASH = `0x${'11'.repeat(32)}`

const event = (contract: ChainEvent['contract'], name: string, args: ChainEvent['args'], timestamp = 1000): ChainEvent => ({
  contract,
  name,
  args,
  block: 7n,
  timestamp,
})

const head = {
  net: NET,
  setId: HASH,
  provider: PROVIDER,
  customer: CHALLENGER,
  root: HASH,
  count: 1n,
  totalBytes: 5000n,
  version: 3n,
  expiresAt: 2_000_000_000,
}
const demanded = (id: bigint) =>
  event('proofs', 'Demanded', {
    id,
    net: NET,
    provider: PROVIDER,
    setId: HASH,
    demander: CHALLENGER,
    position: 4321n,
    bond: 10n,
    head,
  })

test('a demand is open until it is answered, superseded or faulted', () => {
  const index = createJudgesIndex()
  for (const id of [1n, 2n, 3n, 4n]) index.apply(demanded(id))
  index.apply(event('proofs', 'Answered', { id: 1n }))
  index.apply(event('proofs', 'Superseded', { id: 2n, version: 4n }))
  index.apply(event('proofs', 'Faulted', { id: 3n, net: NET, provider: PROVIDER, slashed: 100n }))
  assert.deepEqual(
    index.demands(NET, PROVIDER).map((row) => [row.id, row.state, row.slashed]),
    [
      [1n, 'answered', 0n],
      [2n, 'superseded', 0n],
      [3n, 'faulted', 100n],
      [4n, 'open', 0n],
    ],
  )
  assert.deepEqual(index.demand(4n)?.head, head)
  assert.equal(index.demand(4n)?.position, 4321n)
  assert.deepEqual([index.demands(networkId(3), null), index.demands(NET, CHALLENGER)], [[], []])
})

test('a dispute goes from open over answered to closed; one about a root begins answered', () => {
  const index = createJudgesIndex()
  const terms = { net: NET, challenger: CHALLENGER, bond: 10n }
  index.apply(event('disputes', 'DisputeOpened', { id: 1n, ...terms, accused: PROVIDER, evidence: HASH }))
  index.apply(event('disputes', 'RootDisputed', { id: 2n, ...terms, asset: CHALLENGER, index: 5, reason: HASH }))
  assert.deepEqual(
    index.disputes(NET).map((row) => [row.state, row.answeredAt]),
    [
      ['open', null],
      ['answered', 1000],
    ],
  )
  index.apply(event('disputes', 'DisputeAnswered', { id: 1n, answer: HASH }, 2000))
  assert.deepEqual([index.dispute(1n)?.state, index.dispute(1n)?.answeredAt], ['answered', 2000])
  for (const [verdict, name] of ['accept', 'reject', 'draw', 'default'].entries()) {
    index.apply(event('disputes', 'DisputeResolved', { id: 1n, verdict, slashed: 3n }))
    assert.deepEqual([index.dispute(1n)?.state, index.dispute(1n)?.verdict, index.dispute(1n)?.slashed], ['closed', name, 3n])
  }
  assert.deepEqual(index.dispute(2n)?.root, { asset: CHALLENGER, index: 5 })
})

test('a device that equivocated is listed with who paid and who told', () => {
  const index = createJudgesIndex()
  const args = { net: NET, deviceId: HASH, accused: PROVIDER, reporter: CHALLENGER, slashed: 50n }
  index.apply(event('disputes', 'EquivocationProven', args))
  assert.deepEqual(index.punished(NET), [{ device: HASH, net: NET, accused: PROVIDER, reporter: CHALLENGER, slashed: 50n, at: 1000 }])
})

test('a verifier that signed two roots for one slot is listed with the slot, who paid and who told', () => {
  const index = createJudgesIndex()
  const args = { net: NET, signer: PROVIDER, reporter: CHALLENGER, epoch: 7, attempt: 1, slashed: 50n }
  index.apply(event('disputes', 'RootEquivocationProven', args))
  assert.deepEqual(index.punishedSigners(NET), [{ ...args, at: 1000 }])
  assert.deepEqual(index.punishedSigners(networkId(NET + 1)), [])
})

test('closed rows are forgotten, oldest first, and open ones are not', () => {
  const index = createJudgesIndex()
  index.apply(demanded(1n))
  for (let id = 2n; id <= 10_002n; id += 1n) {
    index.apply(demanded(id))
    index.apply(event('proofs', 'Answered', { id }))
  }
  const rows = index.demands(NET, null)
  assert.equal(rows.length, 10_001)
  assert.deepEqual([rows[0]?.id, rows[1]?.id], [1n, 3n])
})
