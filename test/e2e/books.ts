/** What the chain says about money, read call by call at one block, and the sums that must hold to the unit. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { decodeFunctionResult } from 'viem'
import { ACCOUNT, readPlan } from '../../src/cli/up/plan.ts'
import { type Account, bytesOf, type Digest, digest, networkId } from '../../src/protocol/ids.ts'
import { deriveKeys } from '../../src/protocol/keys.ts'
import { channelKey } from '../../src/protocol/rewards.ts'
import { epochTimes } from '../../src/resources/epoch-facts.ts'
import { settlementSchema } from '../../src/resources/evidence.ts'
import { resources } from '../../src/resources/index.ts'
import { type AuditOutcome, audit } from '../../src/roles/auditor/index.ts'
import type { Addresses } from '../../src/runtime/chain.ts'
import { ABIS, encodeCall } from '../../src/runtime/real/chain/contracts.ts'
import { createRpc, type Indexer, loadDeployment, startIndexer } from '../../src/runtime/real/chain/index.ts'
import { createClock, createCrypto, createLog, openDatabase, openDisk } from '../../src/runtime/real/index.ts'
import { type TestNetwork, until } from './network.ts'

const CHAIN_MS = 120_000

export interface Money {
  readonly tokenSupply: bigint
  readonly tokens: ReadonlyMap<string, bigint>
  readonly creditSupply: bigint
  readonly creditsOfEscrow: bigint
  readonly creditsElsewhere: bigint
  readonly vault: bigint
  /** What the customer put in: what it has, what it set aside, and what was redeemed from it. */
  readonly deposited: bigint
  readonly available: bigint
  readonly earmarked: bigint
  readonly earned: ReadonlyMap<Account, bigint>
  readonly redeemed: ReadonlyMap<Account, bigint>
  readonly fees: { readonly counted: bigint; readonly burned: bigint; readonly uncollected: bigint }
  readonly pot: { readonly funded: bigint; readonly allocated: bigint; readonly claimed: bigint }
  readonly claimed: ReadonlyMap<Account, bigint>
}

export interface Books {
  readonly index: Indexer
  /** Everything at one block; waits while the chain is being started again. */
  money(): Promise<Money>
  /** The last cumulative amount that the gateway signed for each operator. */
  signed(): Promise<ReadonlyMap<string, bigint>>
  /** Recomputes every published epoch from the verifier's evidence. */
  auditAll(): Promise<readonly AuditOutcome[]>
  /** The settlement behind a root. */
  settlement(dataHash: string): Promise<ReturnType<typeof settlementSchema.decode>>
  close(): Promise<void>
}

const NET = networkId(2)

export async function openBooks(network: TestNetwork): Promise<Books> {
  const plan = await readPlan(network.folder)
  const deployment = await loadDeployment(join(network.folder, 'deployment.json'))
  assert(plan !== null && deployment !== null, 'the network is set up')
  const { addresses } = deployment
  const crypto = createCrypto()
  const clock = createClock()
  const keys = deriveKeys(crypto, plan.mnemonic)
  const customer = keys.wallet(ACCOUNT.customer).account
  const holder = keys.wallet(ACCOUNT.holder).account
  const operators = network.nodes.map((node) => node.operator)
  const people: readonly Account[] = [holder, customer, keys.wallet(ACCOUNT.verifier).account, ...operators]
  const rpc = createRpc(String(network.rpc))
  const database = openDatabase(join(network.folder, 'books.db'))
  const log = createLog(clock, 'error')
  const { chain, chainId, fromBlock } = deployment
  const options = { rpc, clock, log, crypto, database, chainId, chain, addresses, fromBlock, confirmations: 3, pollMs: 400 }
  const index = await startIndexer(options)
  const disk = await openDisk(join(network.folder, 'verifier'))
  const read = (name: string): Promise<Uint8Array | null> => disk.read(`evidence/${name.slice(2, 4)}/${name.slice(2)}`)

  /** By its hash: after a kill another block may take the number of one whose state was lost, in the middle of reading. */
  async function call(block: Digest, contract: keyof Addresses, name: string, ...args: readonly unknown[]): Promise<unknown> {
    const data = encodeCall({ contract, function: name, args })
    const answer = await rpc.request('eth_call', [{ from: holder, to: addresses[contract], data }, { blockHash: block }])
    assert(typeof answer === 'string', `${contract}.${name} answers ${JSON.stringify(answer)}`)
    return decodeFunctionResult({ abi: ABIS[contract], functionName: name, data: `0x${answer.slice(2)}` })
  }

  /** Not the newest: a call about that one is answered from the next when it is just being made, and counts a payment twice. */
  async function settledBlock(): Promise<Digest> {
    const head = await rpc.header('latest')
    assert(head !== null, 'a chain has a latest block')
    return head.parent
  }
  const sumOf = (values: Iterable<bigint>): bigint => [...values].reduce((sum, value) => sum + value, 0n)

  async function moneyAt(block: Digest): Promise<Money> {
    const number = async (...args: Parameters<typeof call> extends [Digest, ...infer R] ? R : never) =>
      BigInt(String(await call(block, ...args)))
    const contracts = Object.values(addresses)
    const { token, credits, escrow, rewards } = addresses
    const channelOf = (payee: Account) =>
      call(block, 'escrow', 'channel', channelKey(crypto, customer, payee, credits, NET, 0n)) as Promise<{
        earmark: bigint
        redeemed: bigint
      }>
    const accountOf = (owner: Account) =>
      call(block, 'escrow', 'account', owner, credits) as Promise<{ available: bigint; thawing: bigint; earned: bigint }>
    const everyone = [...new Set<string>([...people, ...contracts])]
    const [tokens, creditRows, channels, accounts, claims, pot, period] = await Promise.all([
      Promise.all(everyone.map(async (at) => [at, await number('token', 'balanceOf', at)] as const)),
      Promise.all(everyone.map(async (at) => [at, await number('credits', 'balanceOf', at)] as const)),
      Promise.all(operators.map(channelOf)),
      Promise.all(people.map(accountOf)),
      Promise.all(operators.map((operator) => number('rewards', 'claimedOf', NET, token, operator))),
      call(block, 'rewards', 'pot', NET, token) as Promise<Money['pot']>,
      number('escrow', 'currentPeriod'),
    ])
    const periods = Array.from({ length: Number(period) + 1 }, (_, i) => i)
    const fees = await Promise.all(periods.map((p) => call(block, 'escrow', 'fees', NET, p) as Promise<readonly [bigint, bigint, bigint]>))
    const own = accounts[people.indexOf(customer)]
    assert(own !== undefined)
    const earmarked = sumOf(channels.map((row) => row.earmark))
    const redeemed = new Map(operators.map((operator, i) => [operator, channels[i]?.redeemed ?? 0n]))
    const available = sumOf(accounts.map((row) => row.available + row.thawing))
    assert.equal(rewards.length + escrow.length, 84)
    return {
      tokenSupply: await number('token', 'totalSupply'),
      tokens: new Map(tokens),
      creditSupply: await number('credits', 'totalSupply'),
      creditsOfEscrow: creditRows.find(([at]) => at === escrow)?.[1] ?? 0n,
      creditsElsewhere: sumOf(creditRows.filter(([at]) => at !== escrow).map(([, amount]) => amount)),
      vault: await number('credits', 'vault'),
      deposited: own.available + own.thawing + earmarked + sumOf(redeemed.values()),
      available,
      earmarked,
      earned: new Map(people.map((owner, i) => [owner, accounts[i]?.earned ?? 0n])),
      redeemed,
      fees: {
        counted: sumOf(fees.map(([counted]) => counted)),
        burned: sumOf(fees.map(([, burned]) => burned)),
        uncollected: sumOf(fees.map(([, , uncollected]) => uncollected)),
      },
      pot: { funded: pot.funded, allocated: pot.allocated, claimed: pot.claimed },
      claimed: new Map(operators.map((operator, i) => [operator, claims[i] ?? 0n])),
    }
  }

  return {
    index,
    money: () => until('reading the books', async () => moneyAt(await settledBlock()), CHAIN_MS),
    signed: () =>
      until(
        'reading what the gateway signed',
        () => {
          const db = new DatabaseSync(join(network.folder, 'gateway', 'state.db'), { readOnly: true })
          try {
            const rows = db.prepare('SELECT payee, cumulative FROM pay_signed').all()
            return new Map(rows.map((row) => [String(row['payee']), BigInt(String(row['cumulative']))]))
          } finally {
            db.close()
          }
        },
        CHAIN_MS,
      ),
    async auditAll() {
      const [resource] = resources
      assert(resource !== undefined)
      const roots = index.view.roots(NET)
      const seconds = index.view.network(NET)?.epochSeconds ?? 0
      const stateOf = (epoch: Parameters<typeof epochTimes>[1]) => index.asOf(epochTimes(seconds, epoch).cutoff)
      return Promise.all(roots.map((root) => audit({ crypto, resource, net: NET, root, roots, stateOf, read })))
    },
    async settlement(dataHash) {
      const bytes = await read(dataHash)
      assert(bytes !== null && Buffer.from(crypto.sha256(bytes)).equals(bytesOf(digest(dataHash))), 'the settlement is there')
      return settlementSchema.decode(bytes)
    },
    async close() {
      await index.close()
      database.close()
    },
  }
}

/** The laws of the books. `before`: an earlier reading, of which nothing may have gone back once the chain has settled. */
export function assertBalanced(money: Money, initial: Money): void {
  const sum = (values: Iterable<bigint>): bigint => [...values].reduce((total, value) => total + value, 0n)
  assert.equal(sum(money.tokens.values()), money.tokenSupply, 'every CAIRN is somewhere')
  assert.equal(money.tokenSupply, initial.tokenSupply, 'no CAIRN is made or lost')
  assert.equal(money.creditsOfEscrow + money.creditsElsewhere, money.creditSupply, 'every credit is somewhere')
  assert.equal(money.creditSupply + money.fees.burned, initial.creditSupply + initial.fees.burned, 'credits leave by burnt fees alone')
  const earned = sum(money.earned.values())
  const open = money.fees.counted - money.fees.burned + money.fees.uncollected
  assert.equal(money.creditsOfEscrow, money.available + money.earmarked + earned + open, 'the escrow holds what its books say')
  assert.equal(money.deposited, initial.deposited, 'the customer paid what was redeemed, and no more')
  assert.equal(
    sum(money.redeemed.values()),
    earned + money.fees.counted + money.fees.uncollected,
    'what was redeemed was earned or is a fee',
  )
  assert.equal(sum(money.claimed.values()), money.pot.claimed, 'what the pot paid is what was claimed')
  assert(money.pot.claimed <= money.pot.allocated && money.pot.allocated <= money.pot.funded, 'a pot pays what was allocated')
}
