/** A folder as `cairn up` makes it, with its chain and contracts and accounts, and without a daemon: for what people do. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { addCommands } from '../../src/cli/commands.ts'
import { FORMAT, type Plan, writePlan } from '../../src/cli/up/plan.ts'
import { type LocalNetwork, setUp } from '../../src/cli/up/setup.ts'
import { mnemonicOf } from '../../src/protocol/keys.ts'
import type { ChainCall } from '../../src/runtime/chain.ts'
import type { ContractReader, Rpc } from '../../src/runtime/real/chain/index.ts'
import { createReader, createRpc, createSigner, openTxQueue, startAnvil } from '../../src/runtime/real/chain/index.ts'
import { createClock, createCrypto, createRandom, openDatabase } from '../../src/runtime/real/index.ts'
import { toHex } from '../../src/std/bytes.ts'

/** A transaction counts when it is three deep; three blocks of a second each would be most of a test's time. */
const MINE_MS = 200

const quiet = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }

export interface ChainFolder {
  readonly folder: string
  readonly network: LocalNetwork
  readonly rpc: Rpc
  readonly contracts: ContractReader
  /** Runs `cairn … --json --data FOLDER`; its document when it ends with `expected`, or the error that it says. */
  ask<T>(expected: number, ...args: readonly string[]): Promise<T>
  /** Sends a call of the account with this index of the mnemonic, and waits until it is three deep. */
  send(index: number, call: ChainCall): Promise<void>
  /** Puts the chain's clock forward. */
  warp(seconds: number): Promise<void>
  close(): Promise<void>
}

export async function startChainFolder(nodes: number): Promise<ChainFolder> {
  const [clock, crypto, random] = [createClock(), createCrypto(), createRandom()]
  const folder = await mkdtemp(join(tmpdir(), 'cairn-people-'))
  const key = (): string => `0x${toHex(random.bytes(32))}`
  const drawn = { sessionKey: key(), gatewayKey: key(), verifierKey: key(), accessKey: 'none', secretKey: 'none', moreVerifiers: [] }
  const node = () => ({ port: 1, deviceKey: key(), transportKey: key() })
  const common = { format: FORMAT, mnemonic: mnemonicOf(random.bytes(32)), epochSeconds: 60, ...drawn } as const
  const anvil = await startAnvil({ folder: join(folder, 'chain'), clock, log: quiet, mnemonic: common.mnemonic, accounts: 20 + nodes })
  const ports = { chain: anvil.port, s3: 1, verifier: 1 }
  const plan: Plan = { ...common, ports, nodes: Array.from({ length: nodes }, node), net: null }
  const rpc = createRpc(anvil.url)
  const miner = setInterval(() => void rpc.request('evm_mine', []).catch(() => undefined), MINE_MS)
  const close = async (): Promise<void> => {
    clearInterval(miner)
    await anvil.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const database = openDatabase(join(folder, 'setup.db'))
    const network = await setUp({ folder, rpc: anvil.url, clock, log: quiet, crypto, database, nominates: false }, plan)
    database.close()
    await writePlan(folder, { ...plan, net: network.net })
    return {
      folder,
      network,
      rpc,
      contracts: createReader(rpc, network.deployment.addresses),
      ask: (expected, ...args) => ask(folder, expected, args),
      async send(index, call) {
        const { chain, chainId, addresses } = network.deployment
        const { secret } = network.keys.wallet(index)
        const kept = openDatabase(':memory:')
        const queue = openTxQueue({ rpc, clock, log: quiet, database: kept, chain, chainId, secret, confirmations: 3, pollMs: 100 })
        try {
          const outcome = await createSigner(queue, addresses).send(call)
          assert.equal(
            outcome.is,
            'confirmed',
            JSON.stringify(outcome, (_, v) => (typeof v === 'bigint' ? String(v) : v)),
          )
        } finally {
          await queue.close()
          kept.close()
        }
      },
      async warp(seconds) {
        await rpc.request('evm_increaseTime', [seconds])
        // So many that the view, which is three blocks behind, is past it too.
        for (let block = 0; block < 4; block += 1) await rpc.request('evm_mine', [])
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Runs a verb in this process, as src/cli/main.ts does in one of its own: a start for each would be most of a test's time.
 * One at a time, since what it prints is caught on the way to standard output.
 */
async function ask<T>(folder: string, expected: number, args: readonly string[]): Promise<T> {
  const program = new Command('cairn').enablePositionalOptions()
  addCommands(program)
  const write = process.stdout.write.bind(process.stdout)
  let out = ''
  let said = ''
  // Verbs print text; bytes are the test runner's own reports, which go where they always do.
  process.stdout.write = (chunk: Uint8Array | string): boolean => {
    if (typeof chunk !== 'string') return write(chunk)
    out += chunk
    return true
  }
  try {
    await program.parseAsync(['node', 'cairn', ...args, '--json', '--data', folder])
  } catch (error) {
    said = error instanceof Error ? error.message : String(error)
  } finally {
    process.stdout.write = write
  }
  const code = said === '' ? process.exitCode : 2
  process.exitCode = undefined
  assert.equal(code, expected, `cairn ${args.join(' ')} ended with ${code}\n${out}${said}`)
  return (said === '' ? JSON.parse(out) : { error: said }) as T
}
