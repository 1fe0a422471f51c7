/** A chain without daemons whose verbs run in this process, one at a time: for tests of some fifty of them. */
import assert from 'node:assert/strict'
import { Command } from 'commander'
import { addCommands } from '../../src/cli/commands.ts'
import type { ChainCall } from '../../src/runtime/chain.ts'
import { type ChainOnly, startChainOnly } from './chain-only.ts'

export interface ChainFolder extends Pick<ChainOnly, 'folder' | 'rpc' | 'contracts' | 'deployment' | 'keys'> {
  readonly net: number
  /** Runs `cairn … --json --data FOLDER`; its document when it ends with `expected`, or the error that it says. */
  ask<T>(expected: number, ...args: readonly string[]): Promise<T>
  /** Sends a call of the account with this index of the mnemonic. */
  send(index: number, call: ChainCall): Promise<void>
  /** Puts the chain's clock forward. */
  warp(seconds: number): Promise<void>
  close(): Promise<void>
}

export async function startChainFolder(nodes: number): Promise<ChainFolder> {
  const chain = await startChainOnly(nodes)
  const { folder, rpc, keys, plan } = chain
  assert(plan.net !== null, 'it is set up')
  return {
    ...chain,
    net: plan.net,
    ask: (expected, ...args) => ask(folder, expected, args),
    send: (index, call) => chain.send(keys.wallet(index), call),
    async warp(seconds) {
      await rpc.request('evm_increaseTime', [seconds])
      // So many that the view, which is three blocks behind, is past it too.
      for (let block = 0; block < 4; block += 1) await rpc.request('evm_mine', [])
    },
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
