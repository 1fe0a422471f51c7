/** A model of RootQuorum: weekly sets by nomination, capped weights, and roots that more than two thirds of them signed. */
import { account, bytesOf, epoch, networkId } from '../../../protocol/ids.ts'
import { type RootMessage, rootMessageHash } from '../../../protocol/roots.ts'
import { toHex } from '../../../std/bytes.ts'
import { accountArg, addressOf, amountOf, digestOf, hexOf, numberArg, numberOf, type Struct, structArg } from './arguments.ts'
import { type Call, least, type Machine, must, refuse, WEEK } from './machine.ts'
import type { Functions, RegistryModel } from './registry.ts'
import type { RewardsModel } from './rewards.ts'

const MAX_MEMBERS = 32
const CAPS = 4
const SIGNATURE_BYTES = 65
const MAX_AGE_WEEKS = 1

interface Signers {
  readonly members: readonly string[]
  readonly cap: bigint
  readonly total: bigint
}

const EMPTY: Signers = { members: [], cap: 0n, total: 0n }

export interface QuorumModel {
  readonly functions: Functions
  /** Members in the contract's order, each with its weight, and what `setOf` tells. */
  set(verifierNet: number, week: number): Omit<Signers, 'members'> & { readonly members: readonly (readonly [string, bigint])[] }
  setInForce(verifierNet: number): number
}

export function createRootQuorum(machine: Machine, registry: RegistryModel, rewards: RewardsModel): QuorumModel {
  const { addresses, crypto, emit, now } = machine
  const weeks = machine.table({ newest: 0, before: 0 })
  const sets = machine.table<Signers>(EMPTY)
  const weights = machine.table(0n)

  function nominate(_: Call, args: readonly unknown[]): void {
    const [verifierNet, operator] = [numberArg(args, 0), accountArg(args, 1)]
    const weight = registry.stakeOf(operator, verifierNet)
    const minStake = amountOf(registry.network(verifierNet)?.params['minStake'] ?? 0n)
    must(registry.isActive(verifierNet) && weight >= minStake, 'NotEligible', { operator, verifierNet })
    const week = Math.floor(now() / WEEK) + 1
    const of = weeks.get(String(verifierNet))
    if (of.newest !== week) weeks.set(String(verifierNet), { newest: week, before: signs(verifierNet, of.newest) ? of.newest : of.before })
    const key = `${verifierNet} ${week}`
    let { members } = sets.get(key)
    if (weights.get(`${key} ${operator}`) === 0n) {
      if (members.length < MAX_MEMBERS) members = [...members, operator]
      else members = displaced(key, members, operator, weight, { verifierNet, week })
    }
    weights.set(`${key} ${operator}`, weight)
    emit('quorum', 'Nominated', { verifierNet, week, member: operator, weight })
    sets.set(key, weighed(key, members))
  }

  function displaced(key: string, members: readonly string[], operator: string, weight: bigint, at: Struct): readonly string[] {
    let smallest = members[0] ?? ''
    const weightOf = (member: string): bigint => weights.get(`${key} ${member}`)
    for (const member of members) if (weightOf(member) < weightOf(smallest)) smallest = member
    must(weight > weightOf(smallest), 'SetIsFull', { smallest: weightOf(smallest) })
    emit('quorum', 'Displaced', { ...at, member: smallest })
    weights.set(`${key} ${smallest}`, 0n)
    return members.map((member) => (member === smallest ? operator : member))
  }

  /** The cap by trying how many of the largest it cuts, where the contract goes through the four largest in one pass. */
  function weighed(key: string, members: readonly string[]): Signers {
    if (members.length < CAPS) return { members, cap: 0n, total: 0n }
    const all = members.map((member) => weights.get(`${key} ${member}`)).sort((a, b) => (a > b ? -1 : a < b ? 1 : 0))
    for (let cut = 0; cut < CAPS; cut += 1) {
      const rest = all.slice(cut).reduce((sum, weight) => sum + weight, 0n)
      const cap = rest / BigInt(CAPS - cut)
      if ((all[cut] ?? 0n) <= cap) return { members, cap, total: BigInt(cut) * cap + rest }
    }
    return refuse('Panic')
  }

  const signs = (verifierNet: number, week: number): boolean => sets.get(`${verifierNet} ${week}`).members.length >= CAPS

  function inForce(verifierNet: number): number {
    const week = Math.floor(now() / WEEK)
    const { newest, before } = weeks.get(String(verifierNet))
    const id = newest <= week && signs(verifierNet, newest) ? newest : before
    return id + MAX_AGE_WEEKS >= week ? id : 0
  }

  function signedWeight(key: string, cap: bigint, hash: Uint8Array, signatures: Uint8Array): bigint {
    must(signatures.length % SIGNATURE_BYTES === 0, 'BadSignature')
    let [last, sum] = ['', 0n]
    for (let at = 0; at < signatures.length; at += SIGNATURE_BYTES) {
      const recovered = crypto.secp256k1.recover(hash, signatures.subarray(at, at + SIGNATURE_BYTES))
      const signer = recovered === null ? refuse('BadSignature') : account(toHex(recovered))
      must(signer > last, 'NotAscending', { signer })
      last = signer
      const weight = weights.get(`${key} ${signer}`)
      must(weight > 0n, 'NotMember', { signer })
      sum += least(weight, cap)
    }
    return sum
  }

  function publish(_: Call, args: readonly unknown[]): void {
    const m = messageOf(structArg(args, 0))
    const verifierNet = numberOf(registry.network(m.net)?.params['verifierNet'] ?? 0)
    must(verifierNet !== 0, 'NotVerified', { net: m.net })
    must(m.setId !== 0 && m.setId === inForce(verifierNet), 'UnknownSet', { setId: m.setId })
    const key = `${verifierNet} ${m.setId}`
    const { cap, total } = sets.get(key)
    const signatures = hexOf(args[1])
    const weight = signedWeight(key, cap, rootMessageHash(crypto, machine.chainId, addresses.quorum, m), bytesOf(signatures))
    must(3n * weight > 2n * total, 'NoQuorum', { weight, total })
    const { net, asset, attempt, setId } = m
    const index = rewards.publish(addresses.quorum, net, asset, m.epoch, m.root, m.total, m.dataHash)
    emit('quorum', 'RootSigned', { net, asset, epoch: m.epoch, index, attempt, setId, signatures })
  }

  return {
    functions: { nominate, publish },
    set(verifierNet, week) {
      const key = `${verifierNet} ${week}`
      const { members, ...set } = sets.get(key)
      return { ...set, members: members.map((member) => [member, weights.get(`${key} ${member}`)] as const) }
    },
    setInForce: inForce,
  }
}

const messageOf = (m: Struct): RootMessage => ({
  net: networkId(numberOf(m['net'])),
  asset: addressOf(m['asset']),
  epoch: epoch(numberOf(m['epoch'])),
  attempt: numberOf(m['attempt']),
  setId: numberOf(m['setId']),
  root: digestOf(m['root']),
  total: amountOf(m['total']),
  dataHash: digestOf(m['dataHash']),
})
