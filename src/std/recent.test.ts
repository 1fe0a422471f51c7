import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Recent } from './recent.ts'

interface Held {
  readonly value: number
  readonly weight: number
}

test('what is found is what was set last and not deleted since, and all of it within the limit', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), name, weight: fc.integer({ min: 1, max: 8 }) }),
    fc.record({ do: fc.constantFrom('get' as const, 'delete' as const), name, weight: fc.constant(0) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const recent = new Recent<Held>(12, (held) => held.weight)
      const model = new Map<string, Held>()
      for (const [value, { do: what, name, weight }] of steps.entries()) {
        if (what === 'set') {
          recent.set(name, { value, weight })
          model.set(name, { value, weight })
        } else if (what === 'delete') {
          recent.delete(name)
          model.delete(name)
        } else {
          const found = recent.get(name)
          if (found !== undefined) assert.deepEqual(found, model.get(name))
        }
      }
      // Looking moves entries and may drop some, so that this sees no more than there was.
      const kept = [...model.keys()].map((name) => recent.get(name)?.weight ?? 0)
      assert.ok(kept.reduce((sum, weight) => sum + weight, 0) <= 12)
    }),
  )
})

test('what is used stays while what is not is forgotten', () => {
  const recent = new Recent<string>(8, () => 1)
  recent.set('used', 'x')
  for (let i = 0; i < 100; i += 1) {
    recent.set(`other ${i}`, 'y')
    assert.equal(recent.get('used'), 'x')
  }
  assert.equal(recent.get('other 0'), undefined)
})
