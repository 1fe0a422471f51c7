/**
 * A network without daemons: a local chain with everything that `cairn up` sets up on it, in a folder where verbs find it.
 * Blocks come ten times as fast as there, so that what waits for three confirmations does not wait for three seconds.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ACCOUNT, DELEGATORS, FORMAT, type Plan, writePlan } from '../../src/cli/up/plan.ts'
import { setUp } from '../../src/cli/up/setup.ts'
import type { Crypto } from '../../src/protocol/crypto.ts'
import { type AccountKeys, mnemonicOf, type WalletKey } from '../../src/protocol/keys.ts'
import { orThrow } from '../../src/runtime/actions/action.ts'
import type { ChainCall } from '../../src/runtime/chain.ts'
import {
  type ContractReader,
  createReader,
  createRpc,
  createSigner,
  type Deployment,
  openTxQueue,
  type Rpc,
  startAnvil,
} from '../../src/runtime/real/chain/index.ts'
import { createClock, createCrypto, createLog, createRandom, openDatabase } from '../../src/runtime/real/index.ts'
import { toHex } from '../../src/std/bytes.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const VERB_MS = 60_000
const BLOCK_MS = 100

export interface ChainOnly {
  readonly folder: string
  readonly plan: Plan
  readonly rpc: Rpc
  readonly deployment: Deployment
  readonly crypto: Crypto
  readonly keys: AccountKeys
  readonly contracts: ContractReader
  /** Sends a call that no verb sends, such as a daemon's. */
  send(wallet: WalletKey, call: ChainCall): Promise<void>
  /** Runs a verb with `--json`, which must end with `expected`; its document. */
  ask<T>(expected: number, ...args: readonly string[]): Promise<T>
  /** A verb that must fail; what it says. */
  refused(...args: readonly string[]): Promise<string>
  close(): Promise<void>
}

export async function startChainOnly(nodes: number): Promise<ChainOnly> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-chain-only-'))
  const [clock, crypto, random] = [createClock(), createCrypto(), createRandom()]
  const log = createLog(clock, 'error')
  const key = (): string => `0x${toHex(random.bytes(32))}`
  const mnemonic = mnemonicOf(random.bytes(32))
  const anvil = await startAnvil({ folder: join(folder, 'chain'), clock, log, mnemonic, accounts: ACCOUNT.delegator(nodes, DELEGATORS) })
  const rpc = createRpc(anvil.url)
  const miner = setInterval(() => void rpc.request('evm_mine', []).catch(() => undefined), BLOCK_MS)
  const close = async (): Promise<void> => {
    clearInterval(miner)
    await anvil.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const drawn: Plan = {
      format: FORMAT,
      mnemonic,
      epochSeconds: 60,
      ports: { chain: anvil.port, s3: 1, verifier: 1 },
      sessionKey: key(),
      gatewayKey: key(),
      verifierKey: key(),
      moreVerifiers: [],
      accessKey: 'none',
      secretKey: 'none',
      nodes: Array.from({ length: nodes }, (_, i) => ({ port: 1 + i, deviceKey: key(), transportKey: key() })),
      net: null,
    }
    const database = openDatabase(':memory:')
    const made = await setUp({ folder, rpc: anvil.url, clock, log, crypto, database, nominates: false }, drawn)
    const { chain, chainId, addresses } = made.deployment
    const plan = { ...drawn, net: made.net }
    await writePlan(folder, plan)
    const run = (args: readonly string[]) => cairn([...args, '--data', folder])
    return {
      folder,
      plan,
      rpc,
      deployment: made.deployment,
      crypto,
      keys: made.keys,
      contracts: createReader(rpc, addresses),
      async send({ secret }, call) {
        const queue = openTxQueue({ rpc, clock, log, database, chain, chainId, secret, confirmations: 1, pollMs: 50 })
        try {
          await orThrow(`${call.contract}.${call.function}`, createSigner(queue, addresses).send(call))
        } finally {
          await queue.close()
        }
      },
      async ask<T>(expected: number, ...args: readonly string[]) {
        const ran = await run([...args, '--json'])
        assert.equal(ran.code, expected, `cairn ${args.join(' ')} ended with ${ran.code}\n${ran.out}${ran.err}`)
        return JSON.parse(ran.out) as T
      },
      async refused(...args) {
        const ran = await run(args)
        assert.equal(ran.code, 2, `cairn ${args.join(' ')} ended with ${ran.code}\n${ran.out}${ran.err}`)
        return ran.err
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function cairn(args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: VERB_MS })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')))
    child.once('close', (code) => resolve({ code, out, err }))
  })
}
