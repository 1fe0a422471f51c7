import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { mnemonicToAccount } from 'viem/accounts'
import { isCairnError } from '../../../protocol/errors.ts'
import { account, address, digest, epoch, networkId } from '../../../protocol/ids.ts'
import { present } from '../../../std/assert.ts'
import type { ChainView } from '../../chain.ts'
import type { Database } from '../../index.ts'
import { createClock, createCrypto, openDatabase } from '../index.ts'
import { type Anvil, startAnvil } from './anvil.ts'
import { deployContracts } from './deploy.ts'
import { type Deployment, loadDeployment, saveDeployment } from './deployment-file.ts'
import { readDeploymentParams } from './deployment-params.ts'
import { DEV_MNEMONIC } from './index.ts'
import { type Indexer, startIndexer } from './indexer.ts'
import { createRpc, type Rpc } from './rpc.ts'
import { createSigner } from './signer.ts'
import { openTxQueue, type TxQueue } from './tx-queue.ts'

const clock = createClock()
const crypto = createCrypto()
const quiet = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }

const secretOf = (index: number): Uint8Array =>
  present(mnemonicToAccount(DEV_MNEMONIC, { addressIndex: index }).getHdKey().privateKey, 'a derived key is private')
const accountAt = (index: number) => account(mnemonicToAccount(DEV_MNEMONIC, { addressIndex: index }).address)

/** Blocks are mined by the test or twice a second; two confirmations keep a test's waits short. */
const CONFIRMATIONS = 1
const POLL_MS = 50

async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const end = clock.monotonic() + ms
  while (!(await holds())) {
    assert.ok(clock.monotonic() < end, `${what} within ${ms} ms`)
    await clock.sleep(25)
  }
}

interface World {
  readonly folder: string
  readonly anvil: Anvil
  readonly rpc: Rpc
  readonly database: Database
  readonly queue: TxQueue
  readonly deployment: Deployment
  close(): Promise<void>
}

async function openWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-chain-'))
  const anvil = await startAnvil({ folder: join(folder, 'chain'), clock, log: quiet })
  const rpc = createRpc(anvil.url, 2_000)
  const database = openDatabase(join(folder, 'db.sqlite'))
  const chain = present(await rpc.header(0n), 'anvil has a first block').hash
  const queue = openTxQueue(queueOptions(rpc, database, chain, 0))
  const deployment = await deployContracts(rpc, queue, await readDeploymentParams())
  return {
    folder,
    anvil,
    rpc,
    database,
    queue,
    deployment,
    async close() {
      await queue.close()
      await anvil.stop()
      database.close()
      await rm(folder, { recursive: true })
    },
  }
}

const queueOptions = (rpc: Rpc, database: Database, chain: string, index: number) => ({
  rpc,
  clock,
  log: quiet,
  database,
  chain,
  chainId: 31_337,
  secret: secretOf(index),
  confirmations: CONFIRMATIONS,
  pollMs: POLL_MS,
})

const indexOf = (world: World, database: Database, over: { rpc?: Rpc; witness?: Rpc } = {}): Promise<Indexer> =>
  startIndexer({
    rpc: over.rpc ?? world.rpc,
    clock,
    log: quiet,
    crypto,
    database,
    chainId: 31_337,
    chain: world.deployment.chain,
    addresses: world.deployment.addresses,
    fromBlock: world.deployment.fromBlock,
    confirmations: CONFIRMATIONS,
    pollMs: POLL_MS,
    ...(over.witness === undefined ? {} : { witness: over.witness }),
  })

const sessionCall = (key: string, contract = 'delegations' as const) => ({
  contract,
  function: 'register',
  args: [key, 7, 10n ** 12n, Math.floor(clock.now() / 1000) + 86_400],
})

const keyAt = (n: number) => address(`0x${n.toString(16).padStart(40, '1')}`)
const hasSession = (view: ChainView, n: number): boolean => view.sessionActive(accountAt(0), keyAt(n), 1, clock.now())

describe('a chain of its own', { timeout: 300_000 }, () => {
  let world: World
  before(async () => {
    world = await openWorld()
  })
  after(() => world.close())

  test('deploying again sends nothing and finds the same addresses', async () => {
    const nonce = await world.rpc.nonce(accountAt(0), 'latest')
    const again = await deployContracts(world.rpc, world.queue, await readDeploymentParams())
    assert.deepEqual(again.addresses, world.deployment.addresses)
    assert.equal(await world.rpc.nonce(accountAt(0), 'latest'), nonce)
    const path = join(world.folder, 'deployment.json')
    await saveDeployment(path, world.deployment)
    assert.deepEqual(await loadDeployment(path), world.deployment)
  })

  test('what is sent is seen in the view, and a refusal names the custom error', async () => {
    const signer = createSigner(world.queue, world.deployment.addresses)
    const database = openDatabase(':memory:')
    const indexer = await indexOf(world, database)
    try {
      const outcome = await signer.send(sessionCall(keyAt(1)))
      assert.equal(outcome.is, 'confirmed')
      await until('the session is indexed', () => hasSession(indexer.view, 1))
      assert.equal(indexer.view.degraded(), false)
      assert.equal(indexer.view.sessionActive(accountAt(0), keyAt(1), 8, clock.now()), false)
      const refused = await signer.send({ contract: 'delegations', function: 'revoke', args: [keyAt(99)] })
      assert.equal(refused.is, 'reverted')
      assert.equal(refused.is === 'reverted' && refused.error, 'NoSession')
      assert.equal(refused.is === 'reverted' && String(refused.data.key).toLowerCase(), keyAt(99))
    } finally {
      await indexer.close()
      database.close()
    }
  })

  test('one key is one transaction, also after the process ended', async () => {
    const signer = createSigner(world.queue, world.deployment.addresses)
    const call = { ...sessionCall(keyAt(2)), key: 'session two' }
    const before = await world.rpc.nonce(accountAt(0), 'pending')
    const [one, two] = await Promise.all([signer.send(call), signer.send(call)])
    assert.deepEqual(one, two)
    const again = openTxQueue(queueOptions(world.rpc, world.database, world.deployment.chain, 0))
    try {
      assert.deepEqual(await createSigner(again, world.deployment.addresses).send(call), one)
    } finally {
      await again.close()
    }
    assert.equal(await world.rpc.nonce(accountAt(0), 'pending'), before + 1)
  })

  test('a kill of the chain in the middle of a burst loses and doubles nothing', async () => {
    const signer = createSigner(world.queue, world.deployment.addresses)
    const before = await world.rpc.nonce(accountAt(0), 'pending')
    const restarts = world.anvil.restarts()
    const sent = Array.from({ length: 40 }, (_, i) => signer.send({ ...sessionCall(keyAt(100 + i)), key: `burst ${i}` }, 60_000))
    await clock.sleep(700)
    process.kill(present(world.anvil.pid(), 'it runs'), 'SIGKILL')
    const outcomes = await Promise.all(sent)
    assert.ok(outcomes.every((outcome) => outcome.is === 'confirmed'))
    assert.equal(world.anvil.restarts(), restarts + 1)
    assert.equal(await world.rpc.nonce(accountAt(0), 'latest'), before + 40)
    const database = openDatabase(':memory:')
    const indexer = await indexOf(world, database)
    try {
      await until('all sessions are indexed', () => Array.from({ length: 40 }, (_, i) => hasSession(indexer.view, 100 + i)).every(Boolean))
    } finally {
      await indexer.close()
      database.close()
    }
    const head = present(await world.rpc.header('latest'), 'there is a head')
    assert.ok(Math.abs(head.timestamp - clock.now() / 1000) < 5, 'time went on by the wall clock')
  })

  test('a reorg below the confirmed head is seen, read anew, and its transactions are sent again', async () => {
    const signer = createSigner(world.queue, world.deployment.addresses)
    const database = openDatabase(':memory:')
    const indexer = await indexOf(world, database)
    try {
      const snapshot = await world.rpc.request('evm_snapshot', [])
      const first = await signer.send(sessionCall(keyAt(3)))
      await until('the session is indexed', () => hasSession(indexer.view, 3))
      await world.rpc.request('evm_revert', [snapshot])
      await until('the reorg is noticed', () => indexer.rebuilds() > 0)
      await until('the session is there again', () => indexer.rebuilds() > 0 && !indexer.view.degraded() && hasSession(indexer.view, 3))
      const receipt = await world.rpc.receipt(first.is === 'confirmed' ? first.hash : '0x')
      assert.ok(receipt !== null && first.is === 'confirmed' && receipt.block > first.block)
    } finally {
      await indexer.close()
      database.close()
    }
  })

  test('an index that starts again continues where it stopped', async () => {
    const path = join(world.folder, 'index.sqlite')
    let database = openDatabase(path)
    let indexer = await indexOf(world, database)
    await until('something is indexed', () => !indexer.view.degraded() && indexer.view.head() !== null)
    const head = present(indexer.view.head(), 'just seen')
    await indexer.close()
    database.close()
    database = openDatabase(path)
    // Nothing answers at this address: what is seen comes from the disk.
    indexer = await indexOf(world, database, { rpc: createRpc('http://127.0.0.1:1', 200) })
    try {
      assert.ok(present(indexer.view.head(), 'loaded').number >= head.number)
      assert.ok(hasSession(indexer.view, 1))
      assert.equal(indexer.view.degraded(), true)
    } finally {
      await indexer.close()
      database.close()
    }
  })

  test('epochs get their seed from the first header in them', async () => {
    const signer = createSigner(world.queue, world.deployment.addresses)
    const database = openDatabase(':memory:')
    const indexer = await indexOf(world, database)
    try {
      const params = {
        minStake: 100n,
        faultPenalty: 0n,
        equivocationPenalty: 0n,
        disputeBond: 0n,
        rootBond: 0n,
        epochLength: 3,
        challengeWindow: 2,
        rootEpochs: 1,
        thawWeeks: 3,
        maxSlashBps: 2000,
        feeRecipient: accountAt(5),
        responseWindow: 2,
        feeBps: 100,
        reporterBps: 0,
        operatorCutMaxBps: 0,
        delegationRatio: 0,
        verifierNet: 0,
      }
      const roles = { publisher: world.deployment.addresses.publisher, verifier: accountAt(6), arbiter: accountAt(6) }
      const made = await signer.send({ contract: 'networks', function: 'create', args: [params, roles, digest('00'.repeat(32))] })
      assert.equal(made.is, 'confirmed')
      const net = networkId(1)
      await until('the network is indexed', () => indexer.view.network(net) !== null)
      assert.equal(indexer.view.network(net)?.feeRecipient, accountAt(5))
      const now = epoch(Math.floor(clock.now() / 3000) + 1)
      assert.deepEqual(indexer.view.epochSeed(net, now), { is: 'waiting' })
      await until('the seed is there', () => indexer.view.epochSeed(net, now).is === 'seed')
      // Found the slow way: the first block at or after the epoch's begin.
      const head = present(indexer.view.head(), 'indexed')
      let first = present(await world.rpc.header(head.number), 'confirmed')
      for (;;) {
        const before = present(await world.rpc.header(first.number - 1n), 'confirmed')
        if (before.timestamp < now * 3) break
        first = before
      }
      const word = (n: number) => n.toString(16).padStart(64, '0')
      const expected = crypto.keccak256(Buffer.from(first.hash.slice(2) + word(net) + word(now), 'hex'))
      assert.deepEqual(indexer.view.epochSeed(net, now), { is: 'seed', seed: digest(Buffer.from(expected).toString('hex')) })
    } finally {
      await indexer.close()
      database.close()
    }
  })

  test('while the endpoint is out the view is degraded and a send fails in time; both recover', async () => {
    const proxy = await openProxy(world.anvil.url)
    const database = openDatabase(':memory:')
    const rpc = createRpc(proxy.url, 500)
    const queue = openTxQueue(queueOptions(rpc, database, world.deployment.chain, 7))
    const signer = createSigner(queue, world.deployment.addresses)
    try {
      proxy.cut(true)
      const began = clock.monotonic()
      await assert.rejects(signer.send({ ...sessionCall(keyAt(4)), key: 'out' }, 1_000), (error) => isCairnError(error, 'CHAIN_AWAY'))
      assert.ok(clock.monotonic() - began < 3_000)
      proxy.cut(false)
      const outcome = await signer.send({ ...sessionCall(keyAt(4)), key: 'out' })
      assert.equal(outcome.is, 'confirmed')
      assert.equal(await world.rpc.nonce(accountAt(7), 'latest'), 1)
    } finally {
      await queue.close()
      database.close()
      await proxy.close()
    }
  })

  test('a witness that names other blocks holds the view back', async () => {
    const other = await startAnvil({ folder: join(world.folder, 'other'), clock, log: quiet })
    const database = openDatabase(':memory:')
    const indexer = await indexOf(world, database, { witness: createRpc(other.url, 1_000) })
    try {
      await clock.sleep(1_500)
      assert.equal(indexer.view.head(), null)
    } finally {
      await indexer.close()
      database.close()
      await other.stop()
    }
  })
})

/** Passes requests on until it is cut: then connections are refused in the middle, as a dead endpoint does. */
async function openProxy(to: string): Promise<{ url: string; cut(off: boolean): void; close(): Promise<void> }> {
  let off = false
  const server: Server = createServer((request, response) => {
    if (off) return void request.socket.destroy()
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      fetch(to, { method: 'POST', headers: { 'content-type': 'application/json' }, body: Buffer.concat(chunks) })
        .then(async (answer) => response.end(await answer.text()))
        .catch(() => request.socket.destroy())
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const at = server.address()
  assert.ok(typeof at === 'object' && at !== null)
  return {
    url: `http://127.0.0.1:${at.port}`,
    cut: (now) => {
      off = now
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
