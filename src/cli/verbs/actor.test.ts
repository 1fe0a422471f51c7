import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isCairnError } from '../../protocol/errors.ts'
import { deriveKeys } from '../../protocol/keys.ts'
import { DEV_MNEMONIC } from '../../runtime/real/chain/index.ts'
import { createCrypto } from '../../runtime/real/index.ts'
import { toHex } from '../../std/bytes.ts'
import { DELEGATORS } from '../up/plan.ts'
import { accountNamed, actorKey } from './actor.ts'
import type { Place } from './place.ts'

const crypto = createCrypto()
const NODES = 3
const node = { port: 1, deviceKey: '', transportKey: '' }
const plan = {
  format: 1 as const,
  mnemonic: DEV_MNEMONIC,
  epochSeconds: 20,
  ports: { chain: 1, s3: 2, verifier: 3 },
  sessionKey: '',
  gatewayKey: '',
  verifierKey: '',
  moreVerifiers: [],
  accessKey: '',
  secretKey: '',
  nodes: Array.from({ length: NODES }, () => node),
  net: 2,
}
const place: Place = {
  folder: '/nowhere',
  plan,
  rpc: 'http://127.0.0.1:1',
  deployment: '/nowhere/deployment.json',
  net: 2,
  verifiers: [],
  gateway: null,
  verifier: null,
  verifierFolders: [],
  nodes: [],
}
const walletAt = (index: number) => deriveKeys(crypto, DEV_MNEMONIC).wallet(index)
const refused = (name: string, at: Place = place): Promise<void> =>
  assert.rejects(actorKey(crypto, at, name), (error) => isCairnError(error, 'CONFIG'))

test('every party of a local network signs with its own wallet, and no two with one', async () => {
  const names = ['holder', 'customer', 'verifier', 'operator:1', `operator:${NODES}`, 'delegator:1', `delegator:${DELEGATORS}`]
  const keys = await Promise.all(names.map((name) => actorKey(crypto, place, name)))
  assert.deepEqual(
    keys.map((key) => key.account),
    [0, 1, 2, 10, 12, 13, 22].map((index) => walletAt(index).account),
  )
  assert.equal(new Set(keys.map((key) => key.account)).size, names.length)
})

test('each verifier of a quorum signs with its own wallet, and the first by either name', async () => {
  const four = { ...place, plan: { ...plan, moreVerifiers: Array(3).fill({ port: 1, transportKey: '' }) } }
  const names = ['verifier', 'verifier:1', 'verifier:2', 'verifier:4']
  const keys = await Promise.all(names.map((name) => actorKey(crypto, four, name)))
  assert.deepEqual(
    keys.map((key) => key.account),
    [2, 2, 3, 5].map((index) => walletAt(index).account),
  )
  await refused('verifier:5', four)
  await refused('verifier:2')
})

test('a name that is none, a number that nobody has, and a folder without the key are refused', async () => {
  for (const name of ['operator', 'operator:0', `operator:${NODES + 1}`, `delegator:${DELEGATORS + 1}`, 'operator:1e2', 'owner', ''])
    await refused(name)
  for (const name of ['holder', 'operator', 'operator:1']) await refused(name, { ...place, plan: null })
})

test('a key file gives its wallet, unless others may read it or it is something else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-actor-'))
  try {
    const path = join(folder, 'wallet.key')
    const wallet = walletAt(5)
    await writeFile(path, `0x${toHex(wallet.secret)}\n`, { mode: 0o600 })
    assert.deepEqual(await actorKey(crypto, { ...place, plan: null }, `key:${path}`), wallet)
    await chmod(path, 0o644)
    await refused(`key:${path}`)
    await chmod(path, 0o600)
    await writeFile(path, 'not a key')
    await refused(`key:${path}`)
    await refused(`key:${join(folder, 'absent')}`)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('an account is named by its address or by its party', async () => {
  const { account } = walletAt(11)
  assert.equal(await accountNamed(crypto, place, 'operator:2'), account)
  assert.equal(await accountNamed(crypto, { ...place, plan: null }, account.toUpperCase().replace('0X', '0x')), account)
})
