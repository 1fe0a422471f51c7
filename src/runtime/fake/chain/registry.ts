/** Models of NetworkRegistry, Delegations, Pointers, Staking and EvidenceLog. */
import type { Account, Address } from '../../../protocol/ids.ts'
import {
  accountArg,
  accountOf,
  addressArg,
  addressOf,
  amountArg,
  amountOf,
  digestArg,
  numberArg,
  numberOf,
  type Struct,
  structArg,
} from './arguments.ts'
import { type Call, type Machine, must, NOBODY, refuse, type Tokens, WEEK } from './machine.ts'

export interface FakeMinimums {
  readonly networkBond: bigint
  readonly minimums: { readonly epochLength: number; readonly challengeWindow: number; readonly responseWindow: number }
}

interface Session {
  readonly scope: number
  readonly limit: bigint
  readonly until: number
  readonly revokedAt: number
}

export interface Network {
  readonly owner: Account
  readonly closedAt: number
  readonly bond: bigint
  readonly params: Struct
  readonly publisher: Address
  readonly verifier: Account
}

export type Functions = Record<string, (call: Call, args: readonly unknown[]) => void>

export interface RegistryModel {
  readonly networks: Functions
  readonly delegations: Functions
  readonly pointers: Functions
  readonly staking: Functions
  readonly evidence: Functions
  network(net: number): Network | null
  isActive(net: number): boolean
  sessionLimit(account: string, key: string): bigint
  sessionIsActive(account: string, key: string, scope: number): boolean
  sessionIsRedeemable(account: string, key: string, scope: number): boolean
  stakeOf(operator: string, net: number): bigint
  /** Tokens in active stake and buckets. */
  staked(): bigint
  bonds(): bigint
}

const NONE: Session = { scope: 0, limit: 0n, until: 0, revokedAt: 0 }
const MAX_LIFE = 366 * 86_400
const DAYS_21 = 21 * 86_400
const DAYS_30 = 30 * 86_400

function checkParams(p: Struct, of: FakeMinimums, exists: (net: number) => boolean, net: number): void {
  const n = (name: string): number => numberOf(p[name])
  const b = (name: string): bigint => amountOf(p[name])
  const bound = (holds: boolean): void => must(holds, 'OutOfBounds')
  bound(b('minStake') > 0n && b('faultPenalty') <= b('minStake') && b('equivocationPenalty') <= b('minStake') / 10n)
  bound(n('epochLength') >= of.minimums.epochLength && n('epochLength') <= DAYS_30)
  bound(n('challengeWindow') >= of.minimums.challengeWindow && n('challengeWindow') <= DAYS_21)
  bound(n('responseWindow') >= of.minimums.responseWindow && n('responseWindow') <= DAYS_21)
  bound(n('thawWeeks') > 0 && n('thawWeeks') <= 8)
  bound(n('thawWeeks') * WEEK >= n('challengeWindow') + n('responseWindow') + 2 * WEEK)
  const interval = n('epochLength') * n('rootEpochs')
  bound(interval > 0 && interval <= DAYS_30 && interval * 6 >= n('challengeWindow'))
  bound(n('maxSlashBps') > 0 && n('maxSlashBps') <= 2000 && n('reporterBps') <= 2500 && n('feeBps') <= 1000)
  bound(n('feeBps') === 0 || accountOf(p['feeRecipient']) !== NOBODY)
  bound(n('operatorCutMaxBps') <= 10_000 && n('delegationRatio') <= 20)
  const verifierNet = n('verifierNet')
  bound(verifierNet === 0 || (verifierNet !== net && exists(verifierNet)))
}

export function createRegistry(machine: Machine, tokens: Tokens, config: FakeMinimums): RegistryModel {
  const { addresses, emit } = machine
  const networks = machine.table<Network | null>(null)
  const count = machine.table(0)
  const sessions = machine.table<Session>(NONE)
  const pointers = machine.table(0n)
  const active = machine.table(0n)
  const buckets = machine.table(0n)
  const committed = machine.table(false)
  const now = machine.now

  const network = (net: number): Network | null => networks.get(String(net))
  const isActive = (net: number): boolean => network(net)?.closedAt === 0
  const mustExist = (net: number): Network => network(net) ?? refuse('UnknownNetwork', { net })
  const minStake = (net: number): bigint => amountOf(network(net)?.params['minStake'] ?? 0n)
  const endOf = (s: Session): number => (s.revokedAt !== 0 && s.revokedAt < s.until ? s.revokedAt : s.until)
  const session = (account: string, key: string): Session => sessions.get(`${account} ${key}`)
  const has = (s: Session, scope: number): boolean => scope !== 0 && (s.scope & scope) === scope
  const sessionIsActive = (account: string, key: string, scope: number): boolean => {
    const s = session(account, key)
    return has(s, scope) && s.revokedAt === 0 && now() < s.until
  }

  function create(call: Call, args: readonly unknown[]): void {
    const [params, roles] = [structArg(args, 0), structArg(args, 1)]
    const net = count.get('') + 1
    count.set('', net)
    checkParams(params, config, (other) => other <= net, net)
    const publisher = addressOf(roles['publisher'])
    const verifier = accountOf(roles['verifier'])
    networks.set(String(net), { owner: call.sender, closedAt: 0, bond: config.networkBond, params, publisher, verifier })
    emit('networks', 'NetworkCreated', { net, owner: call.sender, metadata: digestArg(args, 2), params, roles, bond: config.networkBond })
    if (config.networkBond > 0n) tokens.pull(addresses.token, addresses.networks, call.sender, config.networkBond)
  }

  function close(call: Call, args: readonly unknown[]): void {
    const net = numberArg(args, 0)
    const row = mustExist(net)
    must(row.owner === call.sender, 'NotOwner', { net, caller: call.sender })
    must(row.closedAt === 0, 'NetworkIsClosed', { net })
    networks.set(String(net), { ...row, closedAt: now() })
    emit('networks', 'NetworkClosed', { net })
  }

  function register(call: Call, args: readonly unknown[]): void {
    const key = addressArg(args, 0)
    const [scope, limit, until] = [numberArg(args, 1), amountArg(args, 2), numberArg(args, 3)]
    must(key !== NOBODY && String(key) !== String(call.sender), 'BadKey', { key })
    must(scope !== 0 && (scope & ~7) === 0, 'UnknownScope', { scope })
    must(until > now() && until <= now() + MAX_LIFE, 'BadExpiry', { until })
    const old = session(call.sender, key)
    must(old.revokedAt === 0, 'KeyRevoked', { account: call.sender, key })
    const live = old.scope !== 0 && now() < endOf(old) + WEEK
    must(!live || ((old.scope & ~scope) === 0 && limit >= old.limit && until >= old.until), 'CannotShrink', { current: old })
    sessions.set(`${call.sender} ${key}`, { scope, limit, until, revokedAt: 0 })
    emit('delegations', 'SessionRegistered', { account: call.sender, key, scope, limit, until })
  }

  function revoke(call: Call, args: readonly unknown[]): void {
    const key = addressArg(args, 0)
    const old = session(call.sender, key)
    must(old.scope !== 0, 'NoSession', { account: call.sender, key })
    must(old.revokedAt === 0, 'KeyRevoked', { account: call.sender, key })
    sessions.set(`${call.sender} ${key}`, { ...old, revokedAt: now() })
    emit('delegations', 'SessionRevoked', { account: call.sender, key, revokedAt: now() })
  }

  function setPointer(call: Call, args: readonly unknown[]): void {
    const account = accountArg(args, 0)
    const seq = amountArg(args, 2)
    must(account === call.sender || sessionIsActive(account, call.sender, 4), 'NotAllowed', { account, caller: call.sender })
    const current = pointers.get(account)
    must(seq > current, 'StaleSequence', { seq, current })
    pointers.set(account, seq)
    emit('pointers', 'PointerSet', { account, digest: digestArg(args, 1), seq, extra: digestArg(args, 3), by: call.sender })
  }

  function bond(from: Account, operator: Account, net: number, amount: bigint): void {
    must(amount !== 0n, 'ZeroAmount')
    must(isActive(net), 'NetworkNotActive', { net })
    const total = active.get(`${operator} ${net}`) + amount
    must(total >= minStake(net), 'BelowMinimum', { left: total, minStake: minStake(net) })
    active.set(`${operator} ${net}`, total)
    emit('staking', 'Bonded', { operator, net, from, amount })
    tokens.pull(addresses.token, addresses.staking, from, amount)
  }

  function unbond(call: Call, args: readonly unknown[]): void {
    const [net, amount] = [numberArg(args, 0), amountArg(args, 1)]
    must(amount !== 0n, 'ZeroAmount')
    const held = active.get(`${call.sender} ${net}`)
    must(amount <= held, 'InsufficientStake', { active: held, asked: amount })
    const left = held - amount
    must(left === 0n || left >= minStake(net), 'BelowMinimum', { left, minStake: minStake(net) })
    active.set(`${call.sender} ${net}`, left)
    const thaw = numberOf(network(net)?.params['thawWeeks'] ?? 0) * WEEK
    const week = Math.ceil((now() + thaw) / WEEK)
    const bucket = `${call.sender} ${net} ${week}`
    buckets.set(bucket, buckets.get(bucket) + amount)
    emit('staking', 'Unbonding', { operator: call.sender, net, week, amount })
  }

  function withdrawSelf(call: Call, args: readonly unknown[]): void {
    const [net, week] = [numberArg(args, 0), numberArg(args, 1)]
    must(now() >= week * WEEK, 'NotMatured', { maturesAt: BigInt(week * WEEK) })
    const bucket = `${call.sender} ${net} ${week}`
    const amount = buckets.get(bucket)
    must(amount !== 0n, 'NothingToWithdraw')
    buckets.set(bucket, 0n)
    emit('staking', 'Withdrawn', { operator: call.sender, net, week, amount })
    tokens.move(addresses.token, addresses.staking, call.sender, amount)
  }

  function requireVerifier(call: Call, net: number): number {
    const length = numberOf(network(net)?.params['epochLength'] ?? 0)
    const verifierNet = numberOf(network(net)?.params['verifierNet'] ?? 0)
    must(verifierNet !== 0, 'NotVerified', { net })
    const eligible = isActive(verifierNet) && active.get(`${call.sender} ${verifierNet}`) >= minStake(verifierNet)
    must(eligible, 'NotEligible', { verifier: call.sender, verifierNet })
    return length
  }

  function once(call: Call, kind: string, net: number, epoch: number): void {
    const at = `${kind} ${net} ${call.sender} ${epoch}`
    must(!committed.get(at), 'AlreadyCommitted', { net, epoch, verifier: call.sender })
    committed.set(at, true)
  }

  function commitNonce(call: Call, args: readonly unknown[]): void {
    const [net, epoch] = [numberArg(args, 0), numberArg(args, 1)]
    const current = Math.floor(now() / requireVerifier(call, net))
    must(epoch > current, 'EpochBegan', { epoch })
    must(epoch <= current + 256, 'TooFarAhead', { epoch, last: current + 256 })
    once(call, 'nonce', net, epoch)
    emit('evidence', 'NonceCommitted', { net, epoch, verifier: call.sender, nonceHash: digestArg(args, 2) })
  }

  function commit(call: Call, args: readonly unknown[]): void {
    const [net, epoch, size] = [numberArg(args, 0), numberArg(args, 1), amountArg(args, 3)]
    const length = requireVerifier(call, net)
    must(size !== 0n, 'EmptyBundle')
    const from = (epoch + 1) * length
    const to = from + Math.floor((length + 3) / 4)
    must(now() >= from && now() < to, 'OutsideWindow', { from: BigInt(from), to: BigInt(to) })
    once(call, 'bundle', net, epoch)
    emit('evidence', 'EvidenceCommitted', { net, epoch, verifier: call.sender, sha256Digest: digestArg(args, 2), size })
  }

  return {
    networks: { create, close },
    delegations: { register, revoke },
    pointers: { set: setPointer },
    staking: {
      bond: (call, args) => bond(call.sender, call.sender, numberArg(args, 0), amountArg(args, 1)),
      bondFor: (call, args) => bond(call.sender, accountArg(args, 0), numberArg(args, 1), amountArg(args, 2)),
      unbond,
      withdrawSelf,
    },
    evidence: { commitNonce, commit },
    network,
    isActive,
    sessionLimit: (account, key) => session(account, key).limit,
    sessionIsActive,
    sessionIsRedeemable(account, key, scope) {
      const s = session(account, key)
      return has(s, scope) && now() < endOf(s) + WEEK
    },
    stakeOf: (operator, net) => active.get(`${operator} ${net}`),
    staked: () => [...active.entries(), ...buckets.entries()].reduce((sum, [, amount]) => sum + amount, 0n),
    bonds: () => [...networks.entries()].reduce((sum, [, row]) => sum + (row?.bond ?? 0n), 0n),
  }
}
