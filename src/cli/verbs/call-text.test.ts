import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCairnError } from '../../protocol/errors.ts'
import { address } from '../../protocol/ids.ts'
import { type Addresses, CONTRACT_NAMES } from '../../runtime/chain.ts'
import { describeCall, encodeCall, targetOf } from '../../runtime/real/chain/index.ts'
import { parseCall } from './call-text.ts'

const entries = CONTRACT_NAMES.map((name, i) => [name, address(`0x${(i + 1).toString(16).padStart(40, '0')}`)])
const addresses = Object.fromEntries(entries) as Addresses

/** What a proposal shows of a call that somebody typed. */
function shown(text: string): string | null {
  const call = parseCall(text, addresses)
  return describeCall(addresses, targetOf(call, addresses), encodeCall(call))
}

test('a call that was typed is shown as it was typed', () => {
  for (const text of ['weights.set([2,3],[4000,100])', 'emissions.cancelWeights()', 'timelock.updateDelay(1209600)'])
    assert.equal(shown(text), text)
})

test('integers beyond 2^53 keep their last digit, and contracts can be named', () => {
  assert.deepEqual(parseCall('governor.setProposalThreshold(1000000000000000000000001)', addresses).args, [10n ** 24n + 1n])
  assert.equal(
    shown('governor.setProposalThreshold(1000000000000000000000001)'),
    'governor.setProposalThreshold("1000000000000000000000001")',
  )
  assert.equal(shown('staking.proposeSlasher("@disputes")'), `staking.proposeSlasher("${addresses.disputes}")`)
})

test('what is no call is refused with the form of one', () => {
  const wrong = [
    'weights.set',
    'weights.set([2)',
    'vault.take(1)',
    'weights.set(1.5)',
    'weights.set(1e3)',
    'staking.x("@vault")',
    'x'.repeat(30_000),
  ]
  for (const text of wrong)
    assert.throws(
      () => parseCall(text, addresses),
      (error) => isCairnError(error, 'CONFIG'),
      text,
    )
})

test('calldata that no contract of ours understands is not described', () => {
  assert.equal(describeCall(addresses, addresses.weights, '0x12345678'), null)
  assert.equal(describeCall(addresses, '0x00000000000000000000000000000000000000ff', '0x'), null)
})
