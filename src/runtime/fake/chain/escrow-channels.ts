/** Channels, vouchers and payment by proof (EscrowChannels.sol, EscrowUsage.sol). */
import { type Account, type Address, bytesOf, type Digest, digestOf as digestOfBytes, networkId } from '../../../protocol/ids.ts'
import { verifyMerkle } from '../../../protocol/merkle.ts'
import { channelKey, channelLeaf } from '../../../protocol/rewards.ts'
import {
  domainSeparator,
  escrowDomain,
  RATE,
  type TypedStruct,
  type TypedValue,
  typedDataHash,
  VOUCHER,
} from '../../../protocol/typed-data.ts'
import { bigEndian, concat } from '../../../std/bytes.ts'
import {
  accountArg,
  accountOf,
  addressArg,
  addressOf,
  amountArg,
  amountOf,
  digestOf,
  listOf,
  numberArg,
  numberOf,
  type Struct,
  structArg,
  structOf,
  textOf,
} from './arguments.ts'
import type { EscrowBooks } from './escrow-books.ts'
import { type Call, least, type Machine, must, NOBODY, refuse, type Table, WEEK, ZERO_WORD } from './machine.ts'
import type { Functions } from './registry.ts'

export interface Channel {
  readonly asset: string
  readonly earmark: bigint
  readonly redeemed: bigint
  readonly closesAt: number
}

interface ChannelIds {
  readonly payer: Account
  readonly payee: Account
  readonly asset: Address
  readonly net: number
  readonly channelId: bigint
}
interface Claim {
  readonly key: Digest
  readonly payer: Account
  readonly signer: string
  paid: bigint
  unpaid: bigint
}

export type RootCheck = (net: number, asset: Address, index: number, root: Digest) => boolean

const idsOf = (id: Struct): ChannelIds => ({
  payer: accountOf(id['payer']),
  payee: accountOf(id['payee']),
  asset: addressOf(id['asset']),
  net: numberOf(id['net']),
  channelId: amountOf(id['channelId']),
})

/** Who signed, by a signature of Escrow's domain. */
type Signer = (type: TypedStruct, value: TypedValue, item: Struct) => string | null

function createSignerOf({ crypto, chainId, addresses }: Machine): Signer {
  const separator = domainSeparator(crypto, escrowDomain(chainId, addresses.escrow))
  /** Signer of an EIP-2098 signature, or null: r, and s with the parity of y in its top bit. */
  return function signerOf(type: TypedStruct, value: TypedValue, item: Struct): string | null {
    const vs = BigInt(textOf(item['vs']))
    const s = bigEndian(vs & ((1n << 255n) - 1n), 32)
    const signature = concat([bytesOf(digestOf(item['r'])), s, Uint8Array.of(27 + Number(vs >> 255n))])
    const found = crypto.secp256k1.recover(typedDataHash(crypto, separator, type, value), signature)
    return found === null ? null : accountOf(`0x${digestOfBytes(concat([new Uint8Array(12), found])).slice(26)}`)
  }
}

/** Value of proved units under an active root, and who signed their rates. */
function createProofs(machine: Machine, signerOf: Signer, isActiveRoot: RootCheck) {
  const { crypto } = machine

  const pathOf = (value: unknown): Uint8Array[] => listOf(value).map((hash) => bytesOf(digestOf(hash)))

  function checkRoot(id: ChannelIds, root: Struct): Digest {
    const asset = addressOf(root['rewardAsset'])
    const index = numberOf(root['index'])
    const hash = digestOf(root['root'])
    must(isActiveRoot(id.net, asset, index, hash), 'RootNotActive', { index, root: hash })
    const detailRoot = digestOf(root['detailRoot'])
    const leaf = leafOf(machine, id.net, asset, id.payee, amountOf(root['cumulative']), detailRoot)
    must(verifyMerkle(crypto, bytesOf(hash), leaf, pathOf(root['proof'])), 'BadProof')
    return detailRoot
  }

  function valueOfUnits(key: Digest, detailRoot: Digest, units: readonly unknown[]): { value: bigint; signer: string } {
    let last: string = ZERO_WORD
    let signer: string = NOBODY
    let value = 0n
    units.map(structOf).forEach((item, i) => {
      const unit = digestOf(item['unit'])
      must(unit > last, 'UnitsNotAscending', { unit })
      last = unit
      const [numerator, denominator] = [amountOf(item['numerator']), amountOf(item['denominator'])]
      must(denominator !== 0n, 'BadRate', { unit })
      const found = signerOf(RATE, { channel: key, unit, numerator, denominator }, item) ?? refuse('BadSignature')
      must(i === 0 || found === signer, 'MixedSigners')
      signer = found
      const line = channelLeaf(crypto, { channel: key, unit, cumulative: amountOf(item['units']) })
      must(verifyMerkle(crypto, bytesOf(detailRoot), line, pathOf(item['proof'])), 'BadProof')
      value += (amountOf(item['units']) * numerator) / denominator
    })
    return { value, signer }
  }

  return { checkRoot, valueOf: valueOfUnits }
}

export function createEscrowChannels(
  machine: Machine,
  base: EscrowBooks,
  isActiveRoot: RootCheck,
): { functions: Functions; channels: Table<Channel> } {
  const { emit, crypto, now } = machine
  const { account, change, takeAvailable, addAvailable, settle, maySpend, spendable, spend, earmarkBy } = base
  const channels = machine.table<Channel>({ asset: '', earmark: 0n, redeemed: 0n, closesAt: 0 })
  const signerOf = createSignerOf(machine)
  const proofs = createProofs(machine, signerOf, isActiveRoot)
  const keyOf = (id: ChannelIds): Digest => channelKey(crypto, id.payer, id.payee, id.asset, networkId(id.net), id.channelId)

  // ---------------------------------------------------------------- channels

  function open(id: ChannelIds, earmark: bigint): void {
    must(id.payee !== NOBODY, 'ZeroAddress')
    takeAvailable(id.payer, id.asset, earmark)
    const key = keyOf(id)
    const before = channels.get(key)
    channels.set(key, { ...before, asset: id.asset, earmark: before.earmark + earmark, closesAt: 0 })
    emit('escrow', 'ChannelFunded', { key, ...id, added: earmark, earmark: before.earmark + earmark })
  }

  function closeChannel(call: Call, args: readonly unknown[]): void {
    const id = idsOf(structArg(args, 0))
    must(call.sender === id.payer, 'NotPayer', { caller: call.sender })
    const key = keyOf(id)
    const before = channels.get(key)
    must(before.closesAt === 0, 'StillClosing', { closesAt: before.closesAt })
    const closesAt = now() + WEEK
    channels.set(key, { ...before, asset: id.asset, closesAt })
    emit('escrow', 'ChannelClosing', { key, payer: call.sender, closesAt })
  }

  function finalizeClose(_: Call, args: readonly unknown[]): void {
    const id = idsOf(structArg(args, 0))
    const key = keyOf(id)
    const before = channels.get(key)
    must(before.closesAt !== 0, 'NotClosing', { key })
    must(now() >= before.closesAt, 'StillClosing', { closesAt: before.closesAt })
    channels.set(key, { ...before, earmark: 0n, closesAt: 0 })
    addAvailable(id.payer, id.asset, before.earmark)
    emit('escrow', 'ChannelClosed', { key, payer: id.payer, returned: before.earmark })
  }

  function drawEarmark(claim: Claim, asset: string): void {
    const channel = channels.get(claim.key)
    const paid = least(least(claim.unpaid, channel.earmark), spendable(claim.payer, claim.signer, asset))
    if (paid === 0n) return
    channels.set(claim.key, { ...channel, asset, earmark: channel.earmark - paid, redeemed: channel.redeemed + paid })
    spend(claim.payer, claim.signer, asset, paid)
    claim.paid += paid
    claim.unpaid -= paid
  }

  function drawPool(claim: Claim, asset: string): void {
    const held = account(claim.payer, asset)
    const paid = least(least(claim.unpaid, spendable(claim.payer, claim.signer, asset)), held.available + held.thawing)
    if (paid === 0n) return
    const fromAvailable = least(paid, held.available)
    change(claim.payer, asset, { available: held.available - fromAvailable, thawing: held.thawing - (paid - fromAvailable) })
    const channel = channels.get(claim.key)
    channels.set(claim.key, { ...channel, asset, redeemed: channel.redeemed + paid })
    spend(claim.payer, claim.signer, asset, paid)
    claim.paid += paid
    claim.unpaid -= paid
  }

  function report(claim: Claim, payee: Account): void {
    const { key, payer, paid, unpaid } = claim
    if (paid !== 0n) emit('escrow', 'VoucherRedeemed', { key, payer, payee, redeemed: channels.get(key).redeemed, paid })
    if (unpaid !== 0n) emit('escrow', 'Shortfall', { key, payer, payee, unpaid })
  }

  function accept(payee: Account, asset: Address, net: number, item: Struct, index: number, seen: Set<string>): Claim | null {
    const [payer, channelId, cumulative] = [accountOf(item['payer']), amountOf(item['channelId']), amountOf(item['cumulative'])]
    const key = keyOf({ payer, payee, asset, net, channelId })
    const skip = (reason: number): null => {
      emit('escrow', 'VoucherSkipped', { index: BigInt(index), payer, key, reason })
      return null
    }
    const signer = signerOf(VOUCHER, { payer, payee, asset, net, channelId, cumulative }, item)
    if (signer === null) return skip(0)
    if (!maySpend(payer, signer)) return skip(1)
    must(!seen.has(key), 'DuplicateChannel', { index: BigInt(index) })
    seen.add(key)
    const { redeemed } = channels.get(key)
    if (cumulative <= redeemed) return skip(2)
    return { key, payer, signer, paid: 0n, unpaid: cumulative - redeemed }
  }

  function redeem(_: Call, args: readonly unknown[]): void {
    const [payee, asset, net] = [accountArg(args, 0), addressArg(args, 1), numberArg(args, 2)]
    const seen = new Set<string>()
    const claims: Claim[] = []
    listOf(args[3]).forEach((raw, index) => {
      const claim = accept(payee, asset, net, structOf(raw), index, seen)
      if (claim === null) return
      drawEarmark(claim, asset)
      if (claim.unpaid === 0n) report(claim, payee)
      claims.push(claim)
    })
    for (const claim of claims) {
      if (claim.unpaid === 0n) continue
      drawPool(claim, asset)
      report(claim, payee)
    }
    settle(
      payee,
      asset,
      net,
      claims.reduce((sum, claim) => sum + claim.paid, 0n),
    )
  }

  function redeemProved(_: Call, args: readonly unknown[]): void {
    const id = idsOf(structArg(args, 0))
    const detailRoot = proofs.checkRoot(id, structArg(args, 1))
    const key = keyOf(id)
    const { value, signer } = proofs.valueOf(key, detailRoot, listOf(args[2]))
    must(maySpend(id.payer, signer), 'KeyNotRedeemable', { account: id.payer, key: signer })
    const { redeemed } = channels.get(key)
    must(value > redeemed, 'NothingDue')
    must(value < 1n << 128n, 'SafeCastOverflowedUintDowncast', { bits: 128, value })
    const claim: Claim = { key, payer: id.payer, signer, paid: 0n, unpaid: value - redeemed }
    drawEarmark(claim, id.asset)
    must(claim.paid !== 0n, 'Insufficient', { needed: claim.unpaid, held: 0n })
    emit('escrow', 'UsageRedeemed', { key, payer: id.payer, payee: id.payee, value, paid: claim.paid })
    if (claim.unpaid !== 0n) emit('escrow', 'Shortfall', { key, payer: id.payer, payee: id.payee, unpaid: claim.unpaid })
    settle(id.payee, id.asset, id.net, claim.paid)
  }

  return {
    channels,
    functions: {
      closeChannel,
      finalizeClose,
      redeem,
      redeemProved,
      openChannel(call, args) {
        const id = idsOf(structArg(args, 0))
        if (call.sender !== id.payer) earmarkBy(id.payer, call.sender, id.asset, amountArg(args, 1))
        open(id, amountArg(args, 1))
      },
    },
  }
}

/** RewardLeaf.leaf of an owner whose detail root is known, not its lines. */
function leafOf(machine: Machine, net: number, asset: Address, owner: Account, cumulative: bigint, detailRoot: Digest): Uint8Array {
  const words = [bigEndian(BigInt(net), 32), concat([new Uint8Array(12), bytesOf(asset)]), concat([new Uint8Array(12), bytesOf(owner)])]
  const inner = machine.crypto.keccak256(...words, bigEndian(cumulative, 32), bytesOf(detailRoot))
  return machine.crypto.keccak256(inner)
}
