import { assert } from '../../std/assert.ts'
import type { Metrics } from '../index.ts'

type Labels = Readonly<Record<string, string>>

export interface FakeMetrics extends Metrics {
  /** The value of one series (counter, gauge, or a histogram's `_sum` and `_count`); 0 when it was never touched. */
  value(name: string, labels?: Labels): number
}

function series(name: string, labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
  return pairs.length === 0 ? name : `${name}{${pairs.sort().join()}}`
}

/** Metrics that a test can ask. Ordered by name, so that equal runs give equal texts. */
export function createFakeMetrics(): FakeMetrics {
  const values = new Map<string, number>()
  const add = (key: string, n: number): void => void values.set(key, (values.get(key) ?? 0) + n)
  return {
    counter(name) {
      add(name, 0)
      return {
        add(n = 1, labels) {
          assert(n >= 0, `counter ${name} only grows`)
          // Like Prometheus: once a metric has labels, the series without them is gone.
          if (labels !== undefined && Object.keys(labels).length > 0) values.delete(name)
          add(series(name, labels), n)
        },
      }
    },
    gauge(name) {
      add(name, 0)
      return {
        set(n, labels) {
          if (labels !== undefined && Object.keys(labels).length > 0) values.delete(name)
          values.set(series(name, labels), n)
        },
      }
    },
    histogram(name, _help, buckets) {
      return {
        observe(n) {
          for (const bound of [...buckets, Number.POSITIVE_INFINITY]) {
            add(series(`${name}_bucket`, { le: bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound) }), n <= bound ? 1 : 0)
          }
          add(`${name}_sum`, n)
          add(`${name}_count`, 1)
        },
      }
    },
    value: (name, labels) => values.get(series(name, labels)) ?? 0,
    text: async () =>
      [...values]
        .map(([key, value]) => `${key} ${value}\n`)
        .sort()
        .join(''),
  }
}
