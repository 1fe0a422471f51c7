/** Rows of the contracts that say who is who: networks, devices, session keys, pointers, stake. */
import { type Account, type Address, bytesOf, type DeviceId, deviceId, type NetworkId, networkId } from '../../protocol/ids.ts'
import { fromUtf8 } from '../../std/bytes.ts'
import type { DeviceRow, NetworkRow, PointerRow, SessionRow } from '../chain.ts'
import { accountIn, addressIn, bigintIn, type ChainEvent, digestIn, type EventArgs, hexIn, numberIn, structIn } from './event.ts'

export interface RegistryIndex {
  apply(event: ChainEvent): void
  readonly networks: ReadonlyMap<NetworkId, NetworkRow>
  readonly devices: ReadonlyMap<DeviceId, DeviceRow>
  devicesOf(net: NetworkId): readonly DeviceRow[]
  session(account: Account, key: Address): SessionRow | null
  sessionsOf(account: Account): readonly SessionRow[]
  pointer(account: Account): PointerRow | null
  stakeOf(operator: Account, net: NetworkId): bigint
}

type Rules = Pick<NetworkRow, 'epochSeconds' | 'minStake' | 'challengeSeconds' | 'rootEpochs' | 'feeBps' | 'feeRecipient' | 'verifierNet'>

const rulesOf = (params: EventArgs): Rules => ({
  epochSeconds: numberIn(params, 'epochLength'),
  minStake: bigintIn(params, 'minStake'),
  challengeSeconds: numberIn(params, 'challengeWindow'),
  rootEpochs: numberIn(params, 'rootEpochs'),
  feeBps: numberIn(params, 'feeBps'),
  feeRecipient: accountIn(params, 'feeRecipient'),
  verifierNet: numberIn(params, 'verifierNet'),
})

/** Text of a record that is one; '' for bytes that are none, which anybody may announce. */
function textOf(record: Uint8Array): string {
  try {
    return fromUtf8(record)
  } catch {
    return ''
  }
}

export function createRegistryIndex(): RegistryIndex {
  const networks = new Map<NetworkId, NetworkRow>()
  const devices = new Map<DeviceId, DeviceRow>()
  const byNetwork = new Map<NetworkId, Set<DeviceId>>()
  const sessions = new Map<string, SessionRow>()
  const pointers = new Map<Account, PointerRow>()
  const stakes = new Map<string, bigint>()

  function changeNetwork(id: NetworkId, change: Partial<NetworkRow>): void {
    const row = networks.get(id)
    if (row !== undefined) networks.set(id, { ...row, ...change })
  }

  function network({ name, args }: ChainEvent): void {
    const id = networkId(numberIn(args, 'net'))
    switch (name) {
      case 'NetworkCreated': {
        const roles = structIn(args, 'roles')
        const who = { owner: accountIn(args, 'owner'), publisher: addressIn(roles, 'publisher'), verifier: accountIn(roles, 'verifier') }
        networks.set(id, { id, ...who, ...rulesOf(structIn(args, 'params')), closed: false })
        return
      }
      case 'ParamsApplied':
        changeNetwork(id, rulesOf(structIn(args, 'params')))
        return
      case 'RoleApplied': {
        // INetworkRegistry.Role: 0 publisher, 1 verifier, 2 arbiter.
        const role = numberIn(args, 'role')
        if (role === 0) changeNetwork(id, { publisher: addressIn(args, 'account') })
        if (role === 1) changeNetwork(id, { verifier: accountIn(args, 'account') })
        return
      }
      case 'OwnershipTransferred':
        changeNetwork(id, { owner: accountIn(args, 'to') })
        return
      case 'NetworkClosed':
        changeNetwork(id, { closed: true })
        return
    }
  }

  function changeDevice(id: DeviceId, change: Partial<DeviceRow>): void {
    const row = devices.get(id)
    if (row !== undefined) devices.set(id, { ...row, ...change })
  }

  function register(id: DeviceId, args: EventArgs): void {
    const net = networkId(numberIn(args, 'net'))
    const keys = { signer: hexIn(args, 'signer'), transportKey: hexIn(args, 'transportKey') }
    devices.set(id, { id, owner: accountIn(args, 'owner'), net, ...keys, endpoint: '', status: 'active' })
    const ids = byNetwork.get(net) ?? new Set()
    byNetwork.set(net, ids.add(id))
  }

  function device({ name, args }: ChainEvent): void {
    if (args.id === undefined) return
    const id = deviceId(hexIn(args, 'id'))
    switch (name) {
      case 'DeviceRegistered':
        register(id, args)
        return
      case 'DeviceTransferred':
        changeDevice(id, { owner: accountIn(args, 'to') })
        return
      case 'DeviceRetired':
        changeDevice(id, { status: 'retired' })
        return
      case 'DeviceRevoked':
        changeDevice(id, { status: 'revoked' })
        return
      case 'EndpointUpdated':
        changeDevice(id, { endpoint: textOf(bytesOf(hexIn(args, 'signedRecord'))) })
        return
    }
  }

  function delegation({ name, args }: ChainEvent): void {
    const account = accountIn(args, 'account')
    const key = addressIn(args, 'key')
    const at = `${account} ${key}`
    if (name === 'SessionRegistered') {
      const terms = { scope: numberIn(args, 'scope'), limit: bigintIn(args, 'limit'), until: numberIn(args, 'until') }
      sessions.set(at, { account, key, ...terms, revokedAt: 0 })
    }
    const row = sessions.get(at)
    if (name === 'SessionRevoked' && row !== undefined) sessions.set(at, { ...row, revokedAt: numberIn(args, 'revokedAt') })
  }

  function stake({ name, args }: ChainEvent): void {
    if (name !== 'Bonded' && name !== 'Unbonding' && name !== 'Slashed') return
    const at = `${accountIn(args, 'operator')} ${numberIn(args, 'net')}`
    const before = stakes.get(at) ?? 0n
    if (name === 'Bonded') stakes.set(at, before + bigintIn(args, 'amount'))
    else stakes.set(at, before - bigintIn(args, name === 'Unbonding' ? 'amount' : 'fromActive'))
  }

  function pointer({ name, args }: ChainEvent): void {
    if (name !== 'PointerSet') return
    const account = accountIn(args, 'account')
    const row = { account, digest: digestIn(args, 'digest'), extra: digestIn(args, 'extra'), seq: bigintIn(args, 'seq') }
    pointers.set(account, row)
  }

  return {
    networks,
    devices,
    apply(event) {
      if (event.contract === 'networks') network(event)
      if (event.contract === 'devices') device(event)
      if (event.contract === 'delegations') delegation(event)
      if (event.contract === 'staking') stake(event)
      if (event.contract === 'pointers') pointer(event)
    },
    devicesOf(net) {
      const rows: DeviceRow[] = []
      for (const id of byNetwork.get(net) ?? []) {
        const row = devices.get(id)
        if (row !== undefined) rows.push(row)
      }
      return rows
    },
    session: (account, key) => sessions.get(`${account} ${key}`) ?? null,
    sessionsOf: (account) => [...sessions.values()].filter((row) => row.account === account),
    pointer: (account) => pointers.get(account) ?? null,
    stakeOf: (operator, net) => stakes.get(`${operator} ${net}`) ?? 0n,
  }
}
