/** Verifiers use providers as customers do: with a gateway that lends many orders, their reads are part of published evidence. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { networkId } from '../../src/protocol/ids.ts'
import { bundleSchema } from '../../src/resources/evidence.ts'
import { observationSchema, type StorageObservation } from '../../src/resources/storage/index.ts'
import { type Books, openBooks } from './books.ts'
import { startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const NET = networkId(2)
const EPOCH_SECONDS = 30
const EPOCHS_MS = 240_000
/** A few megabytes in short epochs cost next to nothing to keep: a share that covers reads of them is enormous. */
const READS_PPM = 1_000_000_000_000

/** Every read that is part of a published epoch's evidence. */
async function observations(network: TestNetwork, books: Books): Promise<readonly StorageObservation[]> {
  const settled = await Promise.all(books.index.view.roots(NET).map((root) => books.settlement(root.dataHash)))
  const names = new Set(settled.flatMap(({ bundles }) => bundles))
  const bundles = await Promise.all(
    [...names].map((name) => readFile(join(network.folder, 'verifier', 'evidence', name.slice(2, 4), name.slice(2)))),
  )
  return bundles
    .flatMap((bytes) => bundleSchema.decode(bytes).subjects)
    .flatMap((subject) => (subject.observations ?? []).map(({ bytes }) => observationSchema.decode(bytes)))
}

describe('reads of a verifier', () => {
  let network: TestNetwork
  let books: Books
  let customer: Customer

  before(async () => {
    network = await startNetwork({ nodes: 4, epochSeconds: EPOCH_SECONDS })
    const path = join(network.folder, 'gateway', 'config.json')
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), readsPpm: READS_PPM }))
    await network.kill('gateway')
    books = await openBooks(network)
    customer = await createCustomer(() => network.s3, 'reads')
  })
  after(async () => {
    customer?.close()
    await books?.close()
    await network?.close()
  })

  test('are made with the customer’s orders, find everything served, and can be audited', async () => {
    for (let i = 0; i < 4; i += 1) await customer.store(`object ${i}`, 4 * 1024 * 1024)
    const kinds = await until(
      'reads of a published epoch',
      async () => {
        const seen = await observations(network, books)
        return seen.length >= 8 ? seen.map(({ is }) => is) : null
      },
      EPOCHS_MS,
    )
    assert(kinds.includes('served'), kinds.join())
    assert(!kinds.includes('corrupt') && !kinds.includes('refused'), kinds.join())
    for (const root of books.index.view.roots(NET)) {
      const codes = (await books.settlement(root.dataHash)).scores.flatMap(({ reasons }) => reasons.map(({ code }) => code))
      assert(!codes.includes('unretrievable'), codes.join())
    }
    for (const outcome of await books.auditAll()) assert(outcome.equal, inspect(outcome))
  })
})
