import assert from 'node:assert/strict'
import { test } from 'node:test'
import { account, address, deviceId, digest } from '../../protocol/ids.ts'
import { type Settlement, settlementSchema } from '../../resources/evidence.ts'
import { firstDifference } from './difference.ts'

const hash = digest('11'.repeat(32))

/** A settlement whose one provider failed for a reason with several values. */
function settled(data: Readonly<Record<string, string>>): Settlement {
  return {
    rules: 1,
    resource: 'storage',
    net: 1,
    epoch: 7,
    asset: address('22'.repeat(20)),
    bundles: [],
    previous: null,
    budget: 0n,
    scores: [
      {
        subject: deviceId('33'.repeat(32)),
        owner: account('44'.repeat(20)),
        score: 0,
        units: [],
        reasons: [{ code: 'silence', data: { ...data }, evidence: [] }],
      },
    ],
    owners: [],
    // As an encoder for Node may give it.
    carry: Buffer.from([1, 2, 3]),
    root: hash,
    total: 0n,
  }
}

test('a settlement is the same as itself once it was published, whatever came first in its reasons', () => {
  const mine = settled({ set: 'a', slot: '0', position: '156', times: '8' })
  const published = settlementSchema.decode(settlementSchema.encode(mine))
  assert.equal(firstDifference(published, mine), null)
  assert.equal(firstDifference(published, settled({ set: 'a', slot: '0', position: '157', times: '8' }))?.differs, 'verdict')
})
