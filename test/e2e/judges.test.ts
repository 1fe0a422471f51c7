/**
 * Judges on a network of real processes: a silent provider is slashed and an honest one answers by itself; a device that
 * equivocates ends; a dispute runs to each of its ends. Every amount to the unit. What jumps in time comes last.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ACCOUNT, type Plan, readPlan } from '../../src/cli/up/plan.ts'
import { deviceIdOf } from '../../src/protocol/device-signature.ts'
import { type Account, type DeviceId, deviceId, digestOf, networkId } from '../../src/protocol/ids.ts'
import { deriveKeys } from '../../src/protocol/keys.ts'
import { receiptHasher } from '../../src/resources/receipts.ts'
import { orThrow } from '../../src/runtime/actions/action.ts'
import { finalizeDispute, openDispute, respondDispute, ruleDispute, withdrawBond } from '../../src/runtime/actions/disputes.ts'
import { approve } from '../../src/runtime/actions/money.ts'
import { bondStake } from '../../src/runtime/actions/staking.ts'
import type { ChainSigner } from '../../src/runtime/chain.ts'
import type { DeviceReceipt } from '../../src/runtime/chain-judges.ts'
import { decodeEvent } from '../../src/runtime/real/chain/contracts.ts'
import {
  type ContractReader,
  createReader,
  createRpc,
  createSigner,
  type Deployment,
  loadDeployment,
  openTxQueue,
  type Rpc,
} from '../../src/runtime/real/chain/index.ts'
import { createClock, createCrypto, createLog, openDatabase } from '../../src/runtime/real/index.ts'
import { fromHex, toHex, utf8 } from '../../src/std/bytes.ts'
import { type Books, openBooks } from './books.ts'
import { startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const NET = networkId(2)
const EPOCH_SECONDS = 12
const WAIT_MS = 180_000
const CAIRN = 10n ** 18n
/** Of a local network (cli/up/setup.ts): stake and penalties, both bonds, and the reporter's tenth of a slash. */
const STAKE = 1000n * CAIRN
const FAULT = 100n * CAIRN
const EQUIVOCATION = 50n * CAIRN
const BOND = 10n * CAIRN
const tenth = (amount: bigint): bigint => amount / 10n
/** A tenth of the stake may be slashed in a week. */
const WEEKS_LIMIT = STAKE / 10n
/** StorageProofs.MIN_BLOCKS and DisputeManager.MIN_BLOCKS. */
const SILENT_BLOCKS = 600

const crypto = createCrypto()
let network: TestNetwork
let books: Books
let customer: Customer
let plan: Plan
let rpc: Rpc
let contracts: ContractReader
let facts: Deployment
const closing: (() => Promise<void>)[] = []

/** Runs a verb with `--json` on the network; its document. */
function cairn<T>(...args: readonly string[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args, '--json', '--data', network.folder], { timeout: WAIT_MS })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')))
    child.once('close', (code) =>
      code === 0 ? resolve(JSON.parse(out) as T) : reject(new Error(`cairn ${args.join(' ')} ended with ${code}\n${out}${err}`)),
    )
  })
}

const wallet = (index: number) => deriveKeys(crypto, plan.mnemonic).wallet(index)
/** A party's own signer; no other program uses its account while the test does. */
function signerOf(index: number): ChainSigner {
  const { chain, chainId, addresses } = facts
  const options = { rpc, clock: createClock(), log: createLog(createClock(), 'error'), database: openDatabase(':memory:') }
  const queue = openTxQueue({ ...options, chain, chainId, secret: wallet(index).secret, confirmations: 1, pollMs: 100 })
  closing.push(() => queue.close())
  return createSigner(queue, addresses)
}

function present<T>(value: T | null | undefined): T {
  assert(value !== null && value !== undefined)
  return value
}

const tokensOf = (who: Account): Promise<bigint> => contracts.number('token', 'balanceOf', who)
/** Active stake of an operator's own. */
const stakeOf = async (who: Account): Promise<bigint> =>
  ((await contracts.read('staking', 'stakeOf', who, NET)) as readonly bigint[])[0] ?? -1n
const supply = (): Promise<bigint> => contracts.number('token', 'totalSupply')
const operator = (n: number): Account => wallet(ACCOUNT.operator(n - 1)).account
const mine = async (blocks: number): Promise<void> => void (await rpc.request('anvil_mine', [`0x${blocks.toString(16)}`, '0x1']))
const hash32 = (text: string) => digestOf(crypto.sha256(utf8(text)))

/** Disputes are opened by delegator 1, demands by customer and holder, receipts reported by delegator 2: nobody's money mixes. */
const challengerIndex = (): number => ACCOUNT.delegator(plan.nodes.length, 0)
const reporterIndex = (): number => ACCOUNT.delegator(plan.nodes.length, 1)

before(async () => {
  network = await startNetwork({ nodes: 4, epochSeconds: EPOCH_SECONDS })
  plan = present(await readPlan(network.folder))
  facts = present(await loadDeployment(join(network.folder, 'deployment.json')))
  rpc = createRpc(String(network.rpc))
  contracts = createReader(rpc, facts.addresses)
  customer = await createCustomer(() => network.s3, 'judges')
  books = await openBooks(network)
  await customer.store('object', 4 * 1024 * 1024)
  const heads = async () => (await cairn<readonly { head: { provider: Account } }[]>('storage', 'heads')).length === 4
  const holder = signerOf(ACCOUNT.holder)
  const fund = async (index: number): Promise<void> => {
    const call = { contract: 'token', function: 'transfer', args: [wallet(index).account, 100n * CAIRN] } as const
    await orThrow('token.transfer', holder.send(call))
  }
  // Above the least stake by as much again: what then bars its device is that it was revoked.
  const honest = signerOf(ACCOUNT.operator(3))
  const topUp = async (): Promise<void> => {
    await orThrow('approve', approve(honest, { asset: 'token', spender: facts.addresses.staking, amount: STAKE }))
    await orThrow('bond', bondStake(honest, { net: NET, amount: STAKE }))
  }
  await Promise.all([fund(challengerIndex()), fund(reporterIndex()), topUp(), until('four co-signed sets', heads, WAIT_MS)])
  // Operators 1 and 2 fall silent.
  await network.kill('node 1', 'node 2')
})

after(async () => {
  for (const close of closing) await close()
  customer?.close()
  await books?.close()
  await network?.close()
})

/** Open disputes by how they will end. */
const cases = { accept: 0n, reject: 0n, draw: 0n, default: 0n }
let silentDemand = 0n
let silentBefore = { demander: 0n, stake: 0n }
let challengerBefore = 0n
let accusedBefore = 0n
let revokedAt = 0

describe('judges', { timeout: 400_000 }, () => {
  test('demands: an honest node answers by itself and is paid its gas; a silent one is waited for', async () => {
    const [silent, honest] = [operator(1), operator(3)]
    const demander = wallet(ACCOUNT.customer).account
    silentBefore = { demander: await tokensOf(demander), stake: await stakeOf(silent) }
    assert.equal(silentBefore.stake, STAKE)
    const [first, second] = await Promise.all([
      cairn<{ ids: readonly string[] }>('storage', 'demand', 's3://judges/object', '--provider', 'operator:1', '--yes'),
      cairn<{ sets: readonly { setId: string }[] }>('storage', 'demand', '--provider', 'operator:3', '--as', 'holder', '--yes'),
    ])
    silentDemand = BigInt(present(first.ids[0]))
    const setId = present(second.sets[0]).setId
    const { view } = books.index
    const row = await until(
      'the honest node to answer',
      () => view.demands(NET, honest).find((one) => one.setId === setId && (one.state === 'answered' || one.state === 'superseded')),
      WAIT_MS,
    )
    assert.equal(view.demand(silentDemand)?.state, 'open')
    assert.equal(silentBefore.demander - (await tokensOf(demander)), BOND)
    await paidForAnswer(row.id, honest)
  })

  test('a device that signs two receipts under one number is slashed and revoked by whoever tells', async () => {
    const path = join(network.folder, 'measurement')
    await writeFile(path, '21.5 °C')
    const one = await cairn<{ receipt: Omit<DeviceReceipt, 'sequence'> & { sequence: string }; signature: string }>(
      'device',
      'receipt',
      path,
      '--node',
      '4',
    )
    const two = forge(one.receipt)
    const file = join(network.folder, 'two.json')
    await writeFile(file, JSON.stringify([one, two]))
    const reporter = wallet(reporterIndex()).account
    const before = { reporter: await tokensOf(reporter), stake: await stakeOf(operator(4)) }
    assert.equal(before.stake, 2n * STAKE)
    await cairn('device', 'equivocation', 'submit', file, '--as', 'delegator:2', '--yes')
    revokedAt = (await rpc.header('latest'))?.timestamp ?? 0
    assert.equal((await tokensOf(reporter)) - before.reporter, tenth(EQUIVOCATION))
    assert.equal(before.stake - (await stakeOf(operator(4))), EQUIVOCATION)
    const device = (await contracts.read('devices', 'device', one.receipt.deviceId)) as { status: number }
    assert.equal(device.status, 3)
    assert.equal(await contracts.read('disputes', 'isPunished', NET, one.receipt.deviceId), true)
  })

  test('four disputes are opened, three are answered, and the arbiter rules two', async () => {
    const challenger = signerOf(challengerIndex())
    const accused = signerOf(ACCOUNT.operator(1))
    const spender = facts.addresses.disputes
    ;[challengerBefore, accusedBefore] = await Promise.all([tokensOf(challenger.account), tokensOf(accused.account)])
    await Promise.all([challenger, accused].map((one) => orThrow('approve', approve(one, { asset: 'token', spender, amount: 4n * BOND }))))
    const names = ['accept', 'reject', 'draw', 'default'] as const
    const opening = names.map((name) => openDispute(challenger, { net: NET, accused: accused.account, evidence: hash32(name) }))
    for (const outcome of await Promise.all(opening)) assert.equal(outcome.is, 'confirmed')
    const rows = await until('the disputes to be seen', () => opened(challenger.account), WAIT_MS)
    for (const name of names) cases[name] = present(rows.find((row) => row.evidence === hash32(name))).id
    const answers = [cases.accept, cases.reject, cases.draw].map((id) => respondDispute(accused, { id, answer: hash32('not me') }))
    for (const outcome of await Promise.all(answers)) assert.equal(outcome.is, 'confirmed')
    assert.equal(await tokensOf(challenger.account), challengerBefore - 4n * BOND)
    assert.equal(await tokensOf(accused.account), accusedBefore - 3n * BOND)
    const arbiter = signerOf(ACCOUNT.holder)
    const before = { supply: await supply(), stake: await stakeOf(accused.account) }
    const ruled = await Promise.all([
      ruleDispute(arbiter, { id: cases.accept, verdict: 'accept', amount: 40n * CAIRN }),
      ruleDispute(arbiter, { id: cases.reject, verdict: 'reject', amount: 0n }),
    ])
    for (const outcome of ruled) assert.equal(outcome.is, 'confirmed')
    assert.equal(before.stake - (await stakeOf(accused.account)), 40n * CAIRN)
    // Half of each loser's bond, and what of the slash is not the reporter's, is nobody's.
    assert.equal(before.supply - (await supply()), BOND + 36n * CAIRN)
    assert.equal(await tokensOf(challenger.account), challengerBefore - 4n * BOND + tenth(40n * CAIRN))
    assert.equal(await withdrawable(challenger.account), (BOND * 3n) / 2n)
    assert.equal(await withdrawable(accused.account), (BOND * 3n) / 2n)
  })

  test('the revoked device, whose operator’s stake is still above the least, is paid for nothing any more', async () => {
    const revoked = deviceId(present(network.nodes[3]).id)
    const after = Math.floor(revokedAt / EPOCH_SECONDS) + 1
    const { view } = books.index
    const root = await until('an epoch that began after it', () => view.roots(NET).find((row) => row.epoch >= after), WAIT_MS)
    const { scores, owners, previous } = await books.settlement(root.dataHash)
    const scored = scores.map((row): string => row.subject)
    assert.ok(scored.includes(present(network.nodes[2]).id), 'the honest device is scored')
    assert.ok(!scored.includes(revoked), 'the revoked one is not')
    const paid = (list: typeof owners): bigint => list.find((row) => row.account === operator(4))?.cumulative ?? 0n
    assert.equal(paid(owners), previous === null ? 0n : paid((await books.settlement(previous)).owners))
    assert.ok((await stakeOf(operator(4))) >= STAKE)
  })

  test('time passes: the silent provider is faulted, and who did not answer loses by default', async () => {
    await mine(SILENT_BLOCKS + 1)
    const challenger = signerOf(challengerIndex())
    const demander = wallet(ACCOUNT.customer).account
    const before = { accused: await stakeOf(operator(2)), challenger: await tokensOf(challenger.account) }
    const [, finalized] = await Promise.all([
      until('the fault', () => cairn('storage', 'fault', String(silentDemand), '--as', 'holder', '--yes'), WAIT_MS),
      finalizeDispute(challenger, { id: cases.default }),
    ])
    // Whoever calls, the demander has its bond back and the reporter's part.
    assert.equal(await tokensOf(demander), silentBefore.demander + tenth(FAULT))
    assert.equal(silentBefore.stake - (await stakeOf(operator(1))), FAULT)
    // The accepted dispute took 40 of what a week allows, so the penalty of 100 takes the rest now and stays owed for the other.
    assert.equal(finalized.is, 'confirmed')
    const taken = WEEKS_LIMIT - 40n * CAIRN
    assert.equal(before.accused - (await stakeOf(operator(2))), taken)
    assert.equal((await tokensOf(challenger.account)) - before.challenger, (tenth(FAULT) * taken) / FAULT)
    assert.equal(await withdrawable(challenger.account), (BOND * 3n) / 2n + BOND)
  })

  test('the arbiter was silent for two weeks: a draw costs both a twentieth, and everybody is paid what is his', async () => {
    await cairn('chain', 'warp', '15d')
    const challenger = signerOf(challengerIndex())
    const accused = signerOf(ACCOUNT.operator(1))
    assert.equal((await finalizeDispute(challenger, { id: cases.draw })).is, 'confirmed')
    const drawn = BOND - BOND / 20n
    for (const one of [challenger, accused]) assert.equal((await withdrawBond(one)).is, 'confirmed')
    // Four bonds out; one and a half, one, and nineteen twentieths back; the reporter's parts of two slashes beside them.
    const back = (BOND * 3n) / 2n + BOND + drawn
    const parts = tenth(40n * CAIRN) + (tenth(FAULT) * (WEEKS_LIMIT - 40n * CAIRN)) / FAULT
    assert.equal(await tokensOf(challenger.account), challengerBefore - 4n * BOND + back + parts)
    assert.equal(await tokensOf(accused.account), accusedBefore - 3n * BOND + (BOND * 3n) / 2n + drawn)
    for (const judge of ['disputes', 'proofs'] as const) {
      assert.equal(await tokensOf(facts.addresses[judge] as string as Account), 0n, `${judge} keeps nothing`)
    }
    const { disputes } = await cairn<{ disputes: readonly { id: string; verdict: string }[] }>('dispute', 'list')
    assert.deepEqual(Object.fromEntries(disputes.map((row) => [row.verdict, BigInt(row.id)])), cases)
  })
})

const withdrawable = (who: Account): Promise<bigint> => contracts.number('disputes', 'withdrawable', who)

function opened(challenger: Account) {
  const rows = books.index.view.disputes(NET).filter((row) => row.challenger === challenger)
  return rows.length === 4 ? rows : null
}

/** The second receipt that an honest device would not sign: the same number, other content. */
function forge(receipt: Omit<DeviceReceipt, 'sequence'> & { sequence: string }) {
  const key = present(fromHex(present(plan.nodes[3]).deviceKey))
  const id: DeviceId = deviceIdOf(crypto, `0x${toHex(crypto.secp256k1.address(key))}`)
  assert.equal(receipt.deviceId, id)
  const other = { ...receipt, contentHash: hash32('19.0 °C') }
  const { chainId, addresses } = facts
  const hash = receiptHasher(crypto, chainId, addresses.disputes)({ ...other, sequence: BigInt(other.sequence) })
  return { receipt: other, signature: `0x${toHex(crypto.secp256k1.sign(key, hash))}` }
}

/** The bond of a demand went to the provider in its own transaction, and is worth far more than what that cost it. */
async function paidForAnswer(id: bigint, provider: Account): Promise<void> {
  const { addresses } = facts
  const logs = (await rpc.request('eth_getLogs', [{ address: addresses.proofs, fromBlock: '0x1', toBlock: 'latest' }])) as readonly Log[]
  const answer = present(
    logs.find((log) => {
      const event = decodeEvent('proofs', log)
      return (event?.name === 'Answered' || event?.name === 'Superseded') && event.args['id'] === id
    }),
  )
  const receipt = (await rpc.request('eth_getTransactionReceipt', [answer.transactionHash])) as Receipt
  assert.equal(receipt.from, provider, 'the node answered, and nobody for it')
  const moved = receipt.logs
    .map((log) => (log.address === addresses.token ? decodeEvent('token', log) : null))
    .filter((event) => event !== null)
  assert.deepEqual(
    moved.map(({ args }) => [args['from'], args['to'], args['value']]),
    [[addresses.proofs, provider, BOND]],
  )
  const fee = BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice)
  const [before, later] = await Promise.all([
    coinsAt(provider, BigInt(receipt.blockNumber) - 1n),
    coinsAt(provider, BigInt(receipt.blockNumber)),
  ])
  assert.equal(before - later, fee, 'an answer costs its gas and nothing else')
  assert.ok(fee * 1000n < BOND, `a fee of ${fee} wei against a bond of ${BOND}`)
}

interface Log {
  readonly address: string
  readonly topics: readonly `0x${string}`[]
  readonly data: `0x${string}`
  readonly transactionHash: string
}
interface Receipt {
  readonly from: string
  readonly gasUsed: string
  readonly effectiveGasPrice: string
  readonly blockNumber: string
  readonly logs: readonly Log[]
}

const coinsAt = async (who: Account, block: bigint): Promise<bigint> =>
  BigInt(String(await rpc.request('eth_getBalance', [who, `0x${block.toString(16)}`])))
