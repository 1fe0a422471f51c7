import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricsContract } from '../metrics.contract.ts'
import { createMetrics } from './metrics.ts'

metricsContract('Prometheus', createMetrics)

test('the process itself is measured too', async () => {
  assert.match(await createMetrics().text(), /^process_resident_memory_bytes \d+/m)
})
