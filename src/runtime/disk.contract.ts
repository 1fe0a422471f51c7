import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { AssertionError } from '../std/assert.ts'
import type { Disk, DiskFile } from './index.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

async function contentOf(file: DiskFile): Promise<Uint8Array> {
  const target = new Uint8Array(await file.size())
  assert.equal(await file.readAt(0, target), target.length)
  return target
}

async function readsAndWrites(disk: Disk): Promise<void> {
  const file = await disk.open('folder/inner/file')
  assert.equal(await file.size(), 0)
  await file.writeAt(2, [bytes(1, 2), new Uint8Array(0), bytes(3)])
  assert.deepEqual(await contentOf(file), bytes(0, 0, 1, 2, 3))
  const beyond = new Uint8Array(4)
  assert.equal(await file.readAt(3, beyond), 2)
  assert.deepEqual(beyond, bytes(2, 3, 0, 0))
  assert.equal(await file.readAt(99, beyond), 0)
  await file.truncate(3)
  await file.truncate(5)
  assert.deepEqual(await contentOf(file), bytes(0, 0, 1, 0, 0))
  await file.sync()
  await file.close()
  assert.deepEqual(await disk.read('folder/inner/file'), bytes(0, 0, 1, 0, 0))
}

type Step = { readonly at: number; readonly parts: readonly Uint8Array[] } | { readonly size: number }

const steps = fc.array(
  fc.oneof(
    fc.record({ at: fc.nat(3000), parts: fc.array(fc.uint8Array({ maxLength: 1200 }), { maxLength: 3 }) }),
    fc.record({ size: fc.nat(4000) }),
  ),
  { maxLength: 12 },
)

/** What `list` must hold after `steps`, in the simplest possible terms. */
function model(list: readonly Step[]): Uint8Array {
  let held: number[] = []
  const lengthen = (size: number): void => {
    while (held.length < size) held.push(0)
  }
  for (const step of list) {
    if ('size' in step) {
      held = held.slice(0, step.size)
      lengthen(step.size)
      continue
    }
    const written = step.parts.flatMap((part) => [...part])
    // Writing nothing behind the end does not lengthen a file.
    if (written.length > 0) lengthen(step.at)
    for (const [i, byte] of written.entries()) held[step.at + i] = byte
  }
  return Uint8Array.from(held)
}

/** Holds a disk to its interface. `open` gives an empty one. */
export function diskContract(name: string, open: () => Promise<Disk>): void {
  describe(`${name} as a disk`, () => {
    test('reads back what was written, with zeroes in the holes', async () => readsAndWrites(await open()))

    test('holds any sequence of writes and truncations like an array does', async () => {
      const disk = await open()
      let count = 0
      await fc.assert(
        fc.asyncProperty(steps, async (list) => {
          count += 1
          const file = await disk.open(`sequence/${count}`)
          for (const step of list) await ('size' in step ? file.truncate(step.size) : file.writeAt(step.at, step.parts))
          assert.deepEqual(await contentOf(file), model(list))
          await file.close()
        }),
        { numRuns: 40 },
      )
    })

    test('takes more parts in one write than the kernel takes at once', async () => {
      const file = await (await open()).open('many')
      const parts = Array.from({ length: 2500 }, (_, i) => bytes(i & 0xff))
      await file.writeAt(0, parts)
      assert.deepEqual(await contentOf(file), Uint8Array.from(parts.map((part) => part[0] ?? 0)))
      await file.close()
    })

    test('replaces a file whole, also when asked twice at once', async () => {
      const disk = await open()
      assert.equal(await disk.read('state/now'), null)
      await disk.replace('state/now', bytes(1, 2, 3))
      await Promise.all([disk.replace('state/now', bytes(4, 5)), disk.replace('state/now', bytes(6))])
      assert.deepEqual(await disk.read('state/now'), bytes(6))
      assert.deepEqual(await disk.list('state'), ['now'])
    })

    test('lists names in order and nothing where there is nothing', async () => {
      const disk = await open()
      for (const path of ['b', 'a/two', 'a/one', 'a/deep/three']) await disk.replace(path, bytes(1))
      assert.deepEqual(await disk.list(''), ['a', 'b'])
      assert.deepEqual(await disk.list('a'), ['deep', 'one', 'two'])
      assert.deepEqual(await disk.list('missing'), [])
    })

    test('removes files and folders, and what is not there', async () => {
      const disk = await open()
      for (const path of ['a/one', 'a/two', 'ab']) await disk.replace(path, bytes(1))
      await disk.remove('a')
      await disk.remove('never/was')
      assert.deepEqual(await disk.list(''), ['ab'])
    })

    test('refuses every path that could leave its folder', async () => {
      const disk = await open()
      for (const path of ['', '/etc/passwd', '../x', 'a/../../x', 'a//b', './a', 'a\\b', 'a\0b', 'x.replacing', 'n'.repeat(256)]) {
        for (const attempt of [disk.open(path), disk.read(path), disk.remove(path), disk.replace(path, bytes(1))]) {
          await assert.rejects(attempt, AssertionError, JSON.stringify(path))
        }
      }
    })

    test('knows that there is room', async () => assert.ok((await (await open()).freeBytes()) > 1_000_000))
  })
}
