import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Metrics } from './index.ts'

/** Holds metrics to their interface. `create` gives empty ones. */
export function metricsContract(name: string, create: () => Metrics): void {
  /** The value of one series in the text, whatever the order of its labels. */
  async function value(metrics: Metrics, series: string): Promise<number | undefined> {
    const line = (await metrics.text()).split('\n').find((text) => text.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length + 1))
  }

  describe(`${name} as metrics`, () => {
    test('count, set and observe', async () => {
      const metrics = create()
      const counter = metrics.counter('pieces_total', 'pieces stored')
      assert.equal(await value(metrics, 'pieces_total'), 0, 'what never happened is shown as zero')
      counter.add()
      counter.add(2)
      assert.equal(await value(metrics, 'pieces_total'), 3)
      metrics.gauge('free_bytes', 'free').set(7)
      assert.equal(await value(metrics, 'free_bytes'), 7)
      const histogram = metrics.histogram('wait_seconds', 'waits', [1, 5])
      for (const seconds of [0.5, 1, 3, 9]) histogram.observe(seconds)
      const series = ['wait_seconds_bucket{le="1"}', 'wait_seconds_bucket{le="5"}', 'wait_seconds_bucket{le="+Inf"}', 'wait_seconds_count']
      assert.deepEqual(await Promise.all(series.map((each) => value(metrics, each))), [2, 3, 4, 4])
      assert.equal(await value(metrics, 'wait_seconds_sum'), 13.5)
    })

    test('split by labels that come with the first use', async () => {
      const metrics = create()
      const counter = metrics.counter('refusals_total', 'refusals')
      counter.add(1, { code: 'FULL' })
      counter.add(4, { code: 'LIMIT' })
      assert.equal(await value(metrics, 'refusals_total{code="FULL"}'), 1)
      assert.equal(await value(metrics, 'refusals_total{code="LIMIT"}'), 4)
      assert.equal(await value(metrics, 'refusals_total'), undefined)
    })

    test('give one metric to two who ask for the same name', async () => {
      const metrics = create()
      for (let i = 0; i < 2; i += 1) metrics.counter('dials_total', 'dials').add()
      assert.equal(await value(metrics, 'dials_total'), 2)
    })

    test('refuse a counter that falls', () => {
      assert.throws(() => create().counter('pieces_total', 'pieces stored').add(-1))
    })
  })
}
