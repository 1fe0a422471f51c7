import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { mnemonicToAccount } from 'viem/accounts'
import { isCairnError } from '../../../protocol/errors.ts'
import { present } from '../../../std/assert.ts'
import type { Log } from '../../index.ts'
import { createClock, openDatabase } from '../index.ts'
import { type Anvil, DEV_MNEMONIC, startAnvil } from './anvil.ts'
import { chainFiles } from './anvil-state.ts'
import { createRpc, type Rpc } from './rpc.ts'
import { openTxQueue, type TxQueue } from './tx-queue.ts'

const clock = createClock()
const warnings: string[] = []
const log: Log = {
  error: (said) => void warnings.push(said),
  warn: (said) => void warnings.push(said),
  info() {},
  debug() {},
  child: () => log,
}
const CONTRACT = `0x${'c0de'.repeat(10)}` as const
/** PREVRANDAO TIMESTAMP XOR NUMBER SSTORE: a storage that shows everything of a block. */
const RECORDS_BLOCKS = '0x4442184355'

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = clock.monotonic() + 60_000
  // While it is being started again nothing answers.
  while (!(await holds().catch(() => false))) {
    assert.ok(clock.monotonic() < end, what)
    await clock.sleep(10)
  }
}

describe('a local chain', { timeout: 240_000 }, () => {
  let folder: string
  let anvil: Anvil
  let rpc: Rpc
  let queue: TxQueue
  const database = openDatabase(':memory:')

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cairn-anvil-'))
    await start()
    const chain = present(await rpc.header(0n), 'a first block').hash
    const secret = present(mnemonicToAccount(DEV_MNEMONIC).getHdKey().privateKey, 'a derived key is private')
    queue = openTxQueue({ rpc, clock, log, database, chain, chainId: anvil.chainId, secret, confirmations: 1, pollMs: 10 })
  })
  after(async () => {
    await queue?.close()
    await anvil?.stop()
    database.close()
    await rm(folder, { recursive: true })
  })

  async function start(): Promise<void> {
    anvil = await startAnvil({ folder, clock, log, ...(anvil === undefined ? {} : { port: anvil.port }) })
    rpc = createRpc(anvil.url, 5_000)
  }
  async function kill(): Promise<void> {
    const restarts = anvil.restarts()
    process.kill(present(anvil.pid(), 'it runs'), 'SIGKILL')
    await until('it is started again', async () => anvil.restarts() > restarts)
  }
  const send = () => queue.submit({ to: CONTRACT, data: '0x', label: 'a call' }, 60_000)
  const hashAt = async (number: bigint) => (await rpc.header(number))?.hash

  test('that is killed right after a confirmation has every confirmed block, with its hash and its transactions', async () => {
    await rpc.request('anvil_setCode', [CONTRACT, RECORDS_BLOCKS])
    // Of such orders only a whole state knows.
    await anvil.stop()
    await start()
    warnings.length = 0
    for (let round = 0; round < 4; round += 1) {
      const outcomes = await Promise.all([send(), send(), send()])
      const head = present(await rpc.header('latest'), 'a head')
      const confirmed = new Map<bigint, string | undefined>()
      for (let number = 0n; number < head.number; number += 1n) confirmed.set(number, await hashAt(number))
      await kill()
      for (const [number, hash] of confirmed) assert.equal(await hashAt(number), hash, `block ${number} of ${head.number}, round ${round}`)
      for (const outcome of outcomes) {
        assert(outcome.is === 'confirmed')
        assert.equal((await rpc.receipt(outcome.hash))?.block, outcome.block)
      }
    }
    assert.deepEqual(new Set(warnings), new Set(['the local chain ended by itself; starting it again']))
    const now = present(await rpc.header('latest'), 'a head').timestamp
    assert.ok(Math.abs(now - clock.now() / 1000) < 5, 'time went on by the wall clock')
  })

  test('keeps blocks once that are in its state and after it, and drops what was half written', async () => {
    const { blocks } = chainFiles(folder)
    await until('some blocks are kept', async () => (await readFile(blocks, 'utf8')).split('\n').length > 3)
    const kept = await readFile(blocks, 'utf8')
    const head = present(await rpc.header('latest'), 'a head')
    await anvil.stop()
    assert.equal(await readFile(blocks, 'utf8'), '')
    await writeFile(blocks, `${kept}${kept.slice(0, 60)}`)
    await start()
    assert.equal(await hashAt(head.number), head.hash)
  })

  test('keeps transactions also where its blocks cannot be made again as they were', async () => {
    await rpc.request('anvil_setCode', [CONTRACT, '0x'])
    const outcome = await send()
    assert(outcome.is === 'confirmed')
    warnings.length = 0
    await kill()
    assert.equal((await rpc.receipt(outcome.hash))?.block, outcome.block)
    assert.ok(warnings.includes('blocks of the local chain are not what they were'))
  })

  test('that was set back keeps the new branch', async () => {
    const snapshot = await rpc.request('evm_snapshot', [])
    const before = present(await rpc.header('latest'), 'a head').number
    await until('two more blocks', async () => (await rpc.blockNumber()) > before + 1n)
    await rpc.request('evm_revert', [snapshot])
    await until('three other blocks', async () => (await rpc.blockNumber()) > before + 2n)
    const hashes = await Promise.all([hashAt(before), hashAt(before + 1n), hashAt(before + 2n)])
    await kill()
    assert.deepEqual(await Promise.all([hashAt(before), hashAt(before + 1n), hashAt(before + 2n)]), hashes)
  })

  test('whose state is ruined does not start over', async () => {
    await anvil.stop()
    const { state } = chainFiles(folder)
    const whole = await readFile(state)
    await writeFile(state, whole.subarray(0, whole.length >> 1))
    await assert.rejects(startAnvil({ folder, clock, log }), (error) => isCairnError(error, 'CORRUPT'))
    await writeFile(state, whole)
    await start()
  })
})
