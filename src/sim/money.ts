/** Who tries to be paid twice, and the books that must show that nobody was. */
import type { Account, Digest } from '../protocol/ids.ts'
import { channelKey, unitId } from '../protocol/rewards.ts'
import { priceOf } from '../protocol/units.ts'
import { type Settlement, settlementSchema } from '../resources/evidence.ts'
import { ownerPart } from '../resources/owner-part.ts'
import type { SignedVoucher } from '../resources/payees.ts'
import { compact } from '../roles/node/index.ts'
import type { ChainCall } from '../runtime/chain.ts'
import type { Prng } from '../std/prng.ts'
import type { SimNetwork } from './network.ts'
import { RATES } from './rates.ts'
import type { Violations } from './violations.ts'
import type { World } from './world.ts'

export interface MoneyChecks {
  /** Sends what was paid before once more: old vouchers, old claims, in any order, twice at once. */
  pester(): void
  check(): Promise<void>
}

export interface MoneyOptions {
  readonly world: World
  readonly network: SimNetwork
  readonly violations: Violations
  readonly prng: Prng
  /** Bytes that operators truly served, as the gateway's own meter counted them. */
  served(operator: Account): bigint
  /** A planted bug that pays a claim once more; null in a sound run. */
  readonly onClaimed: ((operator: Account, amount: bigint) => void) | null
}

const HISTORY = 200

export function createMoneyChecks(options: MoneyOptions): MoneyChecks {
  const { world, network, violations, prng } = options
  const { chain, crypto, net, customer } = world
  const { credits, token } = chain.addresses
  const vouchers: SignedVoucher[] = []
  const claims: ChainCall[] = []
  let latest: { name: Digest; settlement: Settlement } | null = null

  function remember(): void {
    for (const node of network.nodes) {
      if (node.provider === null) continue
      vouchers.push(...node.provider.promises().vouchers)
    }
    if (vouchers.length > HISTORY) vouchers.splice(0, vouchers.length - HISTORY)
  }

  const redemption = (held: SignedVoucher): ChainCall => {
    const { payer, payee, channelId, cumulative } = held.voucher
    return {
      contract: 'escrow',
      function: 'redeem',
      args: [payee, credits, net, [{ payer, channelId, cumulative, ...compact(held.signature) }]],
    }
  }

  async function readLatest(): Promise<void> {
    const root = chain.view.roots(net).at(-1)
    if (root === undefined || latest?.name === root.dataHash) return
    const bytes = await network.verifiers[0]?.book.readFile(root.dataHash)
    if (bytes === undefined || bytes === null) return
    const settlement = settlementSchema.decode(bytes)
    latest = { name: root.dataHash, settlement }
    const owner = settlement.owners.length === 0 ? null : prng.pick(settlement.owners)
    if (owner === null) return
    const part = ownerPart(crypto, settlement, owner.account)
    if (part === null) return
    const { detail, proof } = part
    const args = [net, root.asset, root.index, owner.account, owner.cumulative, detail, proof]
    claims.push({ contract: 'rewards', function: 'claim', args })
    if (claims.length > HISTORY) claims.shift()
  }

  function pester(): void {
    remember()
    const calls = [...vouchers.slice(-20), ...prng.shuffle(vouchers).slice(0, 10)].map(redemption)
    const again = prng.shuffle(claims).slice(0, 3)
    for (const call of prng.shuffle([...calls.slice(0, 12), ...again, ...again])) {
      // Anybody may send them, and most are refused; that is the point.
      chain
        .signer(customer.key.account)
        .send(call)
        .catch(() => undefined)
    }
  }

  /** What an operator may have been paid at most: its proved units and its served bytes, each priced once. */
  function worth(operator: Account): bigint {
    const key = channelKey(crypto, customer.key.account, operator, credits, net, 0n)
    const unit = unitId(crypto, 'storage.byte-second')
    const owner = latest?.settlement.owners.find((line) => line.account === operator)
    const proved = owner?.channels.find((line) => line.channel === key && line.unit === unit)?.cumulative ?? 0n
    return priceOf(proved, RATES['byte-second']) + priceOf(options.served(operator), RATES['byte-served'])
  }

  function checkLedger(): void {
    for (const row of chain.ledger()) {
      const { asset, cameIn, ...rest } = row
      const somewhere = Object.values(rest).reduce((sum, amount) => sum + amount, 0n)
      if (somewhere !== cameIn) violations.add(3, `${cameIn} ${asset} came in and ${somewhere} are somewhere`)
    }
    const pot = chain.state.rewards.pot(net, token)
    if (pot.claimed > pot.funded) violations.add(3, `${pot.claimed} were claimed of ${pot.funded}`)
    const claimed = world.operators.reduce((sum, { account }) => sum + chain.state.rewards.claimedOf(net, token, account), 0n)
    if (claimed !== pot.claimed) violations.add(3, `operators claimed ${claimed}, the pot says ${pot.claimed}`)
  }

  function checkVouchers(): void {
    let redeemed = 0n
    let earned = 0n
    for (const operator of world.operators) {
      const key = channelKey(crypto, customer.key.account, operator.account, credits, net, 0n)
      const paid = chain.state.escrow.channel(key).redeemed
      redeemed += paid
      earned += chain.state.escrow.account(operator.account, credits).earned
      const most = worth(operator.account)
      if (latest !== null && paid > most) violations.add(5, `${operator.account} was paid ${paid} for work worth ${most}`)
    }
    const { fees } = chain.state.escrow.holdings(credits)
    const burned = chain.ledger().find((row) => row.asset === 'credits')?.burned ?? 0n
    const taken = chain.state.escrow.account(world.holder.account, credits).earned
    if (redeemed !== earned + fees + burned + taken) {
      violations.add(5, `channels paid ${redeemed}; operators got ${earned}, fees are ${fees + burned + taken}`)
    }
  }

  return {
    pester,
    async check() {
      await readLatest()
      if (options.onClaimed !== null) {
        for (const operator of world.operators) {
          const amount = chain.state.rewards.claimedOf(net, token, operator.account)
          if (amount > 0n) options.onClaimed(operator.account, amount)
        }
      }
      checkLedger()
      checkVouchers()
    },
  }
}
