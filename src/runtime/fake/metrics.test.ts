import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricsContract } from '../metrics.contract.ts'
import { createFakeMetrics } from './metrics.ts'

metricsContract('the captured metrics', createFakeMetrics)

test('a test can ask for one value', () => {
  const metrics = createFakeMetrics()
  metrics.counter('pieces_total', 'pieces').add(2, { kind: 'data' })
  assert.equal(metrics.value('pieces_total', { kind: 'data' }), 2)
  assert.equal(metrics.value('pieces_total'), 0)
})
