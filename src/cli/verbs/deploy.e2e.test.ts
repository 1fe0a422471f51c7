/** Deploying for real chains, on one bare anvil: interrupted and continued, checked, and every check seen to fail once. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { encodeAbiParameters, keccak256, parseEther, stringToHex } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { isCairnError } from '../../protocol/errors.ts'
import { account, type Hex } from '../../protocol/ids.ts'
import { deployContracts } from '../../runtime/real/chain/deploy.ts'
import { CREATE2_PROXY } from '../../runtime/real/chain/deployment-addresses.ts'
import { deploymentCost } from '../../runtime/real/chain/deployment-cost.ts'
import { parseDeploymentParams, readDeploymentParams } from '../../runtime/real/chain/deployment-params.ts'
import { planDeployment } from '../../runtime/real/chain/deployment-plan.ts'
import {
  type Anvil,
  createRpc,
  DEV_MNEMONIC,
  type Deployment,
  loadDeployment,
  openTxQueue,
  type Rpc,
  startAnvil,
} from '../../runtime/real/chain/index.ts'
import { verifyDeployment } from '../../runtime/real/chain/verify-deployment.ts'
import { createClock, openDatabase } from '../../runtime/real/index.ts'
import { present } from '../../std/assert.ts'
import { toHex } from '../../std/bytes.ts'
import { warpChain } from './warp.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const clock = createClock()
const quiet = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }
const wallet = mnemonicToAccount(DEV_MNEMONIC, { addressIndex: 0 })
const neighbour = mnemonicToAccount(DEV_MNEMONIC, { addressIndex: 1 }).address
const deployer = account(wallet.address.toLowerCase())
const secret = present(wallet.getHdKey().privateKey, 'a derived key is private')
/** The factory, twenty-one contracts and the seal. */
const TRANSACTIONS = 23
const DAY = 86_400

let folder = ''
let anvil: Anvil
let rpc: Rpc
let deployment: Deployment
const out = () => join(folder, 'deployment.json')

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-deploy-'))
  anvil = await startAnvil({ folder: join(folder, 'chain'), clock, log: quiet })
  rpc = createRpc(anvil.url)
  await writeFile(join(folder, 'key'), `0x${toHex(secret)}\n`, { mode: 0o600 })
})
after(async () => {
  await anvil.stop()
  await rm(folder, { recursive: true })
})

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the command line; `begun` gets the process. */
function cairn(args: readonly string[], begun: (child: ChildProcess) => void = () => undefined): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 })
  begun(child)
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('utf8')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString('utf8')
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

const deployArgs = (url: string): string[] => ['chain', 'deploy', '--rpc', url, '--key-file', 'key', '--out', out(), '--yes', '--json']

/** Passes requests on until the chain was given `most` transactions, then answers nobody any more. */
async function openGate(most: number, shut: () => void): Promise<{ url: string; close(): Promise<void> }> {
  let passed = 0
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', async () => {
      const body = Buffer.concat(parts).toString('utf8')
      if (passed >= most) {
        request.destroy()
        return
      }
      const answer = await fetch(anvil.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      response.end(Buffer.from(await answer.arrayBuffer()))
      passed += body.split('eth_sendRawTransaction').length - 1
      if (passed >= most) shut()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const at = server.address()
  assert.ok(typeof at === 'object' && at !== null)
  const close = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done())
      server.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${at.port}`, close }
}

const bad = async (of: Deployment): Promise<readonly string[]> =>
  (await verifyDeployment(rpc, of)).findings.filter((one) => one.is === 'bad').map((one) => one.check)

describe('the contracts on a chain of their own', { timeout: 300_000 }, () => {
  test('on a chain without the CREATE2 proxy it says what to send there, and that helps', async () => {
    await without(CREATE2_PROXY)
    const args = ['chain', 'deploy', '--rpc', anvil.url, '--key-file', 'key', '--dry-run', '--json']
    const refused = await cairn(args)
    assert.deepEqual([refused.code, refused.out], [2, ''])
    assert.match(refused.err, /it has no CREATE2 proxy at 0x4e59b448.*docs\/deploying\.md/)
    const said = /send ([\d.]+) coins to (0x[0-9a-f]{40})/.exec(refused.err)
    const [, sum = '', maker = ''] = present(said, 'who makes it, and for how much')
    const page = await readFile(new URL('../../../docs/deploying.md', import.meta.url), 'utf8')
    const [raw = ''] = present(/0xf8a5[0-9a-f]+/.exec(page), 'the signed transaction')
    assert.notEqual(await rpc.broadcast(raw as Hex), null, 'its maker has no coins')
    await rpc.request('eth_sendTransaction', [{ from: neighbour, to: maker, value: `0x${parseEther(sum).toString(16)}` }])
    await rpc.request('evm_mine', [])
    assert.equal(await rpc.broadcast(raw as Hex), null)
    await rpc.request('evm_mine', [])
    const shown = await cairn(args)
    assert.equal(shown.code, 0, shown.err)
  })

  test('a deployment that was killed in the middle goes on: same addresses, nothing sent twice, at the cost that was shown', async () => {
    const plan = await planDeployment(rpc, deployer, await readDeploymentParams())
    const cost = await deploymentCost(rpc, plan)
    assert.equal(cost.missing.length, 21)
    let child: ChildProcess | null = null
    const reached = Promise.withResolvers<void>()
    const gate = await openGate(9, reached.resolve)
    const killing = cairn(deployArgs(gate.url), (begun) => {
      child = begun
    })
    await reached.promise
    const { pid, kill } = present<ChildProcess>(child, 'it sends')
    const before = await readdir(folder)
    const second = await cairn(deployArgs(anvil.url))
    assert.equal(second.code, 2)
    assert.match(second.err, new RegExp(`process ${pid} is deploying to it`))
    assert.deepEqual(await readdir(folder), before, 'it leaves nothing')
    assert.equal(kill.call(child, 'SIGKILL'), true, 'the first one still sends')
    const killed = await killing
    await gate.close()
    assert.equal(killed.code, null, killed.err)
    const begun = present(await loadDeployment(out()), 'it is written before anything is sent')
    const again = await cairn(deployArgs(anvil.url))
    assert.equal(again.code, 0, again.err)
    deployment = present(await loadDeployment(out()), 'deployed')
    assert.deepEqual(deployment, begun)
    const left = (await readdir(folder)).filter((name) => name.startsWith('deployment.json'))
    assert.deepEqual(left, ['deployment.json'], 'neither its journal nor anybody’s claim')
    assert.equal(deployment.addresses.escrow, plan.at.Escrow)
    const earlier = await rpc.request('eth_getCode', [deployment.factory, `0x${(deployment.fromBlock - 1n).toString(16)}`])
    assert.equal(earlier, '0x', 'no event of the contracts is older than the block from which they are read')
    assert.equal(await rpc.nonce(deployer, 'latest'), TRANSACTIONS)
    const used = await gasUsed()
    assert.ok(used <= cost.gas && used * 100n >= cost.gas * 95n, `${used} gas used, ${cost.gas} estimated`)
    const third = await cairn(deployArgs(anvil.url))
    assert.equal(third.code, 0, third.err)
    assert.equal(await rpc.nonce(deployer, 'latest'), TRANSACTIONS)
  })

  test('what was deployed is found to be what we build', async () => {
    const { code, out: text } = await cairn(['chain', 'verify', '--rpc', anvil.url, '--deployment', out(), '--json'])
    const report = JSON.parse(text)
    assert.equal(code, 0, text)
    const odd = report.findings.filter((one: { is: string }) => one.is !== 'ok').map((one: { check: string }) => one.check)
    assert.deepEqual(odd, ['guardian'], 'on a local chain the deployer is guardian, and is told so')
    for (const check of ['code of EscrowChecks', 'creation of Governor', 'sealed', 'P-256 precompile', 'deployer’s roles'])
      assert.ok(
        report.findings.some((one: { check: string }) => one.check === check),
        check,
      )
  })

  test('a contract with other code is found, also when it is one that Escrow made', async () => {
    const checks = await rpc.call(deployer, deployment.addresses.escrow, selector('CHECKS()'), 'latest')
    assert.ok(typeof checks === 'string')
    for (const [name, at] of [['Market', deployment.addresses.market] as const, ['EscrowChecks', `0x${checks.slice(26)}`] as const]) {
      const code = await rpc.code(at as Hex)
      // A comparison in the middle of the code turned around.
      const byte = code.indexOf('10', code.length >> 1)
      await rpc.request('anvil_setCode', [at, `${code.slice(0, byte)}11${code.slice(byte + 2)}`])
      assert.deepEqual(await bad(deployment), [`code of ${name}`])
      await rpc.request('anvil_setCode', [at, code])
    }
    assert.deepEqual(await bad(deployment), [])
  })

  test('a parameter that differs is found where it is kept, where it was given, and in the release', async () => {
    const by = present(deployment.made, 'deployed by this version')
    const other = { ...deployment, made: { ...by, params: { ...by.params, networkBond: '5' } } }
    assert.deepEqual(await bad(other), ['release', 'creation of NetworkRegistry', 'networkBond'])
  })

  test('a role that the deployer kept is found', async () => {
    const role = keccak256(stringToHex('PROPOSER_ROLE'))
    // AccessControl's roles are the timelock's first slot: mapping(role => (mapping(account => bool), admin)).
    const ofRole = keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [role, 0n]))
    const slot = keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [deployer, ofRole]))
    const set = (value: number) =>
      rpc.request('anvil_setStorageAt', [deployment.addresses.timelock, slot, `0x${value.toString(16).padStart(64, '0')}`])
    await set(1)
    assert.deepEqual(await bad(deployment), ['pointers', 'deployer’s roles'])
    await set(0)
  })

  test('a set that was not sealed is found, and sealed by deploying it again', async () => {
    const database = openDatabase(':memory:')
    const { chain, chainId } = deployment
    const queue = openTxQueue({ rpc, clock, log: quiet, database, chain, chainId, secret, confirmations: 1, pollMs: 50 })
    const params = parseDeploymentParams({ ...(await readDeploymentParams()), networkBond: '7' }, 'the test')
    const file = join(folder, 'other.json')
    const unsealing = {
      ...queue,
      submit: (...given: Parameters<typeof queue.submit>) =>
        given[0].label === 'seal' ? Promise.reject(new Error('interrupted')) : queue.submit(...given),
    }
    try {
      await assert.rejects(deployContracts(rpc, unsealing, params, { file }), /interrupted/)
      const other = present(await loadDeployment(file), 'begun')
      assert.notEqual(other.addresses.token, deployment.addresses.token)
      assert.deepEqual(await bad(other), ['sealed'])
      await deployContracts(rpc, queue, params, { file })
      assert.deepEqual(await bad(other), [])
    } finally {
      await queue.close()
      database.close()
    }
  })

  test('without coins, for another chain, or over another deployment nothing is sent', async () => {
    const before = await rpc.nonce(deployer, 'pending')
    await writeFile(join(folder, 'poor'), `0x${'11'.repeat(32)}`)
    const poor = await cairn(['chain', 'deploy', '--rpc', anvil.url, '--key-file', 'poor', '--out', 'poor.json', '--yes', '--json'])
    assert.equal(poor.code, 2)
    assert.match(poor.err, /it has 0\.000000 coins for gas/)
    const elsewhere = await readDeploymentParams(new URL('../../../deployments/example.json', import.meta.url))
    await assert.rejects(planDeployment(rpc, deployer, elsewhere), (error) => isCairnError(error, 'CONFIG'))
    const changed = { ...(await readDeploymentParams()), dailyMintFloor: '1' }
    await writeFile(join(folder, 'changed.json'), JSON.stringify(changed))
    const over = await cairn([...deployArgs(anvil.url), '--params', 'changed.json'])
    assert.equal(over.code, 2)
    assert.match(over.err, /it holds another deployment/)
    assert.ok(!over.err.includes(toHex(secret)) && !(await readFile(out(), 'utf8')).includes(toHex(secret)), 'no key anywhere')
    assert.equal(await rpc.nonce(deployer, 'pending'), before)
  })

  test('a local chain mines as many blocks as are asked for at once, and its clock stays', async () => {
    const before = present(await rpc.header('latest'), 'a head')
    assert.equal(await warpChain(undefined, { rpc: anvil.url, json: true, blocks: 600 }), 0)
    const after = present(await rpc.header('latest'), 'a head')
    assert.ok(after.number - before.number >= 600n && after.timestamp - before.timestamp < 60)
    assert.equal(await warpChain('1h', { rpc: anvil.url, json: true, blocks: 5 }), 0)
    assert.ok((await rpc.blockNumber()) - after.number >= 9n, 'the four of the jump, and five')
    await assert.rejects(warpChain(undefined, { rpc: anvil.url, json: true }), (error) => isCairnError(error, 'CONFIG'))
  })

  test('a local chain’s clock goes forward and is confirmed; another chain’s is left alone', async () => {
    const before = present(await rpc.header('latest'), 'a head')
    assert.equal(await warpChain('8d', { rpc: anvil.url, json: true }), 0)
    const confirmed = present(await rpc.header((await rpc.blockNumber()) - 3n), 'three blocks are above it')
    assert.ok(confirmed.timestamp - before.timestamp >= 8 * DAY)
    const public_ = createServer((_, response) => response.end('{"jsonrpc":"2.0","id":0,"result":"Geth/v1.16.2"}'))
    await new Promise<void>((done) => public_.listen(0, '127.0.0.1', done))
    const at = public_.address()
    assert.ok(typeof at === 'object' && at !== null)
    try {
      await assert.rejects(warpChain('8d', { rpc: `http://127.0.0.1:${at.port}`, json: true }), /it is no local chain \(Geth/)
    } finally {
      public_.close()
      public_.closeAllConnections()
    }
  })
})

/** As if nobody had ever deployed at `at`. */
async function without(at: Hex): Promise<void> {
  await rpc.request('anvil_setCode', [at, '0x'])
  await rpc.request('anvil_setNonce', [at, '0x0'])
}

const selector = (signature: string): Hex => keccak256(stringToHex(signature)).slice(0, 10) as Hex

/** Of all that the deployer sent. */
async function gasUsed(): Promise<bigint> {
  let sum = 0n
  const latest = await rpc.blockNumber()
  for (let number = deployment.fromBlock; number <= latest; number += 1n) {
    const block = (await rpc.request('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])) as { gasUsed: string }
    sum += BigInt(block.gasUsed)
  }
  return sum
}
