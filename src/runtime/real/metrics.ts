import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { assert } from '../../std/assert.ts'
import type { Metrics } from '../index.ts'

type Labels = Readonly<Record<string, string>>

/**
 * One metric of prom-client, which wants label names before first use and ours come with first use. Until then it is
 * registered without labels, so that what never happened is still shown as 0.
 */
function lazily<M>(registry: Registry, name: string, make: (labelNames: string[]) => M): (labels: Labels) => M {
  let metric = make([])
  let known: string | undefined
  return (labels) => {
    const names = Object.keys(labels).sort()
    if (known === undefined) {
      known = names.join()
      if (names.length > 0) {
        registry.removeSingleMetric(name)
        metric = make(names)
      }
    }
    assert(known === names.join(), `metric ${name} has the labels (${known}), not (${names.join()})`)
    return metric
  }
}

/** Prometheus metrics, with those of the process itself (memory, event loop delay, open handles) in the same registry. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registered = new Map<string, unknown>()

  /** Asking twice for one name gives the one metric: two components may count the same thing. */
  function once<T>(name: string, make: () => T): T {
    const known = registered.get(name)
    if (known !== undefined) return known as T
    const made = make()
    registered.set(name, made)
    return made
  }

  return {
    counter: (name, help) =>
      once(name, () => {
        const at = lazily(registry, name, (labelNames) => new Counter({ name, help, labelNames, registers: [registry] }))
        return { add: (n = 1, labels = {}) => at(labels).inc(labels, n) }
      }),
    gauge: (name, help) =>
      once(name, () => {
        const at = lazily(registry, name, (labelNames) => new Gauge({ name, help, labelNames, registers: [registry] }))
        return { set: (n, labels = {}) => at(labels).set(labels, n) }
      }),
    histogram: (name, help, buckets) =>
      once(name, () => {
        const inner = new Histogram({ name, help, buckets: [...buckets], registers: [registry] })
        return { observe: (n) => inner.observe(n) }
      }),
    text: () => registry.metrics(),
  }
}
