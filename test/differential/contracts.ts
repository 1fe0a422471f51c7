/** The contracts on an anvil of their own, driven one call at a time: what the differential tests compare with. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeFunctionResult, encodeFunctionData } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { account } from '../../src/protocol/ids.ts'
import type { Addresses, ChainCall } from '../../src/runtime/chain.ts'
import { ABIS, decodeRevert, encodeCall, targetOf } from '../../src/runtime/real/chain/contracts.ts'
import { deployContracts } from '../../src/runtime/real/chain/deploy.ts'
import { readDeploymentParams } from '../../src/runtime/real/chain/deployment-params.ts'
import { createRpc, DEV_MNEMONIC, type Deployment, openTxQueue, type Rpc, startAnvil } from '../../src/runtime/real/chain/index.ts'
import type { Receipt } from '../../src/runtime/real/chain/rpc.ts'
import { createClock, createCrypto, openDatabase } from '../../src/runtime/real/index.ts'
import { present } from '../../src/std/assert.ts'

export const clock = createClock()
export const crypto = createCrypto()
const quiet = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }

/** As many as a set of RootQuorum has members, and some that it has no room for. */
export const ACCOUNTS = 36
const keys = Array.from({ length: ACCOUNTS }, (_, i) => mnemonicToAccount(DEV_MNEMONIC, { addressIndex: i }))
const keyOf = (index: number) => present(keys[index], 'there are as many')
export const secretOf = (index: number): Uint8Array => present(keyOf(index).getHdKey().privateKey, 'a derived key is private')
const accounts = keys.map((key) => account(key.address))
export const accountAt = (index: number) => present(accounts[index], 'there are as many')

/** What both sides are made with; the first account is deployer and guardian. */
export const CONFIG = {
  supply: 10n ** 27n,
  price: 10n ** 18n,
  dailyMintFloor: 10n ** 14n,
  networkBond: 10n ** 18n,
  minimums: { epochLength: 60, challengeWindow: 60, responseWindow: 60 },
}

export interface Contracts {
  readonly rpc: Rpc
  readonly chainId: number
  readonly addresses: Addresses
  readonly deployment: Deployment
  /** Second of the first block. */
  readonly genesis: number
  /** Runs one call in a block of its own, at this second or a second after the last; the custom error, or null. */
  run(sender: string, call: ChainCall, at?: number): Promise<string | null>
  read(contract: keyof Addresses, name: string, args?: readonly unknown[]): Promise<unknown>
  now(): Promise<number>
  /** Takes back what `work` did. */
  undone(work: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

export async function openContracts(): Promise<Contracts> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-diff-'))
  const anvil = await startAnvil({ folder, clock, log: quiet, accounts: ACCOUNTS })
  const rpc = createRpc(anvil.url)
  const first = present(await rpc.header(0n), 'first block')
  const deployment = await deploy(rpc, first.hash, anvil.chainId)
  const { addresses } = deployment
  // From here one call at a time: each is mined in a block of its own, at a second that the test names.
  await anvil.leaveMining()
  await rpc.request('evm_setAutomine', [true])
  await rpc.request('anvil_autoImpersonateAccount', [true])
  const now = async (): Promise<number> => present(await rpc.header('latest'), 'a head').timestamp
  return {
    rpc,
    chainId: anvil.chainId,
    addresses,
    deployment,
    genesis: first.timestamp,
    async run(sender, call, at) {
      const to = targetOf(call, addresses)
      const data = encodeCall(call)
      await rpc.request('evm_setNextBlockTimestamp', [at ?? (await now()) + 1])
      const hash = await rpc.request('eth_sendTransaction', [{ from: sender, to, data, gas: '0xf42400' }])
      assert.ok(typeof hash === 'string' && hash.startsWith('0x'))
      const receipt = await receiptOf(rpc, `0x${hash.slice(2)}`)
      if (receipt.ok) return null
      const again = await rpc.call(account(sender), to, data, receipt.block)
      return typeof again === 'string' ? 'Reverted' : decodeRevert(again.data, again.why).error
    },
    async read(contract, name, args = []) {
      const abi = ABIS[contract]
      const data = encodeFunctionData({ abi, functionName: name, args: [...args] })
      const answer = await rpc.call(accountAt(0), addresses[contract], data, 'latest')
      assert.ok(typeof answer === 'string', `${contract}.${name} answers`)
      return decodeFunctionResult({ abi, functionName: name, data: answer })
    },
    now,
    async undone(work) {
      const snapshot = await rpc.request('evm_snapshot', [])
      try {
        await work()
      } finally {
        await rpc.request('evm_revert', [snapshot])
      }
    },
    async close() {
      await anvil.stop()
      await rm(folder, { recursive: true })
    },
  }
}

async function deploy(rpc: Rpc, chain: string, chainId: number): Promise<Deployment> {
  const database = openDatabase(':memory:')
  const queue = openTxQueue({ rpc, clock, log: quiet, database, chain, chainId, secret: secretOf(0), confirmations: 1, pollMs: 50 })
  const { minimums } = CONFIG
  const deployment = await deployContracts(rpc, queue, {
    ...(await readDeploymentParams()),
    supply: '1000000000',
    dailyMintFloor: '1000',
    networkBond: '1',
    minimums,
  })
  await queue.close()
  database.close()
  return deployment
}

async function receiptOf(rpc: Rpc, hash: `0x${string}`): Promise<Receipt> {
  for (let tries = 0; tries < 500; tries += 1) {
    const receipt = await rpc.receipt(hash)
    if (receipt !== null) return receipt
    await clock.sleep(10)
  }
  throw new Error('the transaction was not mined')
}
