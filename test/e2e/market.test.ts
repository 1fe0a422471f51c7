/** What people do with money on a chain of their own: leases, deposits, passkeys. Every sum is read from storage, to the unit. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ACCOUNT } from '../../src/cli/up/plan.ts'
import { quoteHash } from '../../src/cli/verbs/quotes.ts'
import { fromBase64Url } from '../../src/protocol/base64url.ts'
import { authorizationNonce } from '../../src/protocol/deposits.ts'
import { type Account, account as accountNamed, address, digest, digestOf, type Hex, networkId } from '../../src/protocol/ids.ts'
import { executeHash, messageHash } from '../../src/protocol/passkey-account.ts'
import { rewardRoot } from '../../src/protocol/rewards.ts'
import { domainSeparator, ROOT, rootDomain, tokenDomain, typedDataHash } from '../../src/protocol/typed-data.ts'
import { assertionJson, encodeAssertion, passkeySigner } from '../../src/protocol/webauthn.ts'
import { settlementSchema } from '../../src/resources/evidence.ts'
import { createCrypto } from '../../src/runtime/real/index.ts'
import { assertWith } from '../../src/runtime/real/passkey.ts'
import { toHex, utf8 } from '../../src/std/bytes.ts'
import { type ChainFolder, startChainFolder } from './chain-folder.ts'

const crypto = createCrypto()
const OPERATORS = 3
const DAY = 86_400
const WEEK = 7 * DAY
const BPS = 10_000n
/** Of the local network, as `cairn up` sets it; and Escrow.PROTOCOL_FEE_BPS. */
const NETWORK_FEE_BPS = 100n
const PROTOCOL_FEE_BPS = 100n

let chain: ChainFolder
const accountOf = (index: number): Account => chain.keys.wallet(index).account
const customer = (): Account => accountOf(ACCOUNT.customer)
const operator = (n: number): Account => accountOf(ACCOUNT.operator(n - 1))

before(async () => {
  chain = await startChainFolder(OPERATORS)
})
after(() => chain?.close())

/** Escrow's books of an account in credits, from storage. */
async function books(owner: Account): Promise<{ available: bigint; earned: bigint }> {
  const { credits } = chain.deployment.addresses
  const read = (await chain.contracts.read('escrow', 'account', owner, credits)) as { available: bigint; earned: bigint }
  return { available: read.available, earned: read.earned }
}

interface StoredLease {
  readonly customer: string
  readonly provider: string
  readonly rate: bigint
  readonly settledAt: number
  readonly end: number
  readonly closed: boolean
}
const stored = async (id: string): Promise<StoredLease> => (await chain.contracts.read('market', 'lease', BigInt(id))) as StoredLease

/** Rounded up, as Escrow does. */
const feeOf = (amount: bigint, bps: bigint): bigint => (amount * bps + BPS - 1n) / BPS

interface Opened {
  readonly opened: boolean
  readonly id: string
  readonly provider: string
  readonly rate: string
  readonly total: string
  readonly considered: readonly { readonly provider: string; readonly fits: boolean; readonly why: string | null }[]
}

describe('a market of quotes', { timeout: 240_000 }, () => {
  let lease: Opened
  let opened: StoredLease

  test('a lease opens from the cheapest of the quotes that fit, and locks its price to the unit', async () => {
    const ask = (n: number, ...more: readonly string[]) =>
      chain.ask<{ path: string }>(0, 'market', 'quote', 'customer', '--as', `operator:${n}`, '--terms', '100 GiB', ...more)
    const files = [
      await ask(1, '--price', '0.60'),
      await ask(2, '--price', '0.50', '--notice', '1h'),
      await ask(3, '--price', '0.70', '--notice', '2h'),
      // Cheaper, and of no use: too short, or not what its provider signed.
      await ask(1, '--price', '0.10', '--term', '1d'),
      await ask(3, '--price', '0.90', '--out', join(chain.folder, 'touched.json')),
    ] as const
    const touched = JSON.parse(await readFile(files[4].path, 'utf8'))
    await writeFile(join(chain.folder, 'quotes', 'touched.json'), JSON.stringify({ ...touched, quote: { ...touched.quote, rate: '1' } }))
    const start = await books(customer())
    lease = await chain.ask<Opened>(0, 'market', 'lease', '--for', '7d', '--yes')
    assert.equal(lease.opened, true)
    assert.equal(lease.provider, operator(2))
    // $0.50 are 5e10 µcredits; a rate is whole µcredits per second, rounded down.
    const rate = 50_000_000_000n / BigInt(30 * DAY)
    assert.equal(BigInt(lease.rate), rate)
    assert.equal(BigInt(lease.total), rate * BigInt(WEEK))
    const why = lease.considered.map((one) => one.why)
    assert.deepEqual(why, ['bad signature', 'its term is shorter', null, null, null])
    opened = await stored(lease.id)
    assert.deepEqual([opened.customer, opened.provider, opened.rate], [customer(), operator(2), rate])
    assert.equal(opened.end - opened.settledAt, WEEK)
    assert.equal((await books(customer())).available, start.available - rate * BigInt(WEEK))
    assert.equal(await chain.contracts.number('market', 'lockedOf', BigInt(lease.id)), rate * BigInt(WEEK))
  })

  test('settling pays the provider for the seconds that passed, less what network and protocol take', async () => {
    await chain.warp(3 * DAY)
    const before = { provider: await books(operator(2)), holder: await books(accountOf(ACCOUNT.holder)), customer: await books(customer()) }
    const { settled } = await chain.ask<{ settled: readonly { paid: string; until: number }[] }>(0, 'market', 'settle', lease.id, '--yes')
    const now = await stored(lease.id)
    const paid = opened.rate * BigInt(now.settledAt - opened.settledAt)
    assert.ok(now.settledAt - opened.settledAt >= 3 * DAY)
    assert.deepEqual(
      settled.map((one) => [BigInt(one.paid), one.until]),
      [[paid, now.settledAt]],
    )
    const [network, protocol] = [feeOf(paid, NETWORK_FEE_BPS), feeOf(paid, PROTOCOL_FEE_BPS)]
    assert.equal((await books(operator(2))).earned, before.provider.earned + paid - network - protocol)
    // The network's part waits in the book of the day until somebody collects it for its recipient.
    const period = await chain.contracts.number('escrow', 'currentPeriod')
    const [, , uncollected] = (await chain.contracts.read('escrow', 'fees', chain.net, period)) as readonly [bigint, bigint, bigint]
    assert.equal(uncollected, network)
    assert.equal((await books(accountOf(ACCOUNT.holder))).earned, before.holder.earned)
    await chain.warp(DAY)
    await chain.ask(0, 'emissions', 'settle', '--periods', '2', '--yes')
    assert.equal((await books(accountOf(ACCOUNT.holder))).earned, before.holder.earned + network)
    assert.equal((await books(customer())).available, before.customer.available, 'what was locked pays')
    assert.equal(await chain.contracts.number('market', 'lockedOf', BigInt(lease.id)), opened.rate * BigInt(now.end - now.settledAt))
  })

  test('its customer ends it early, pays to the second and has the rest back at once', async () => {
    const before = await books(customer())
    const asked = await chain.ask<{ refund: string }>(0, 'market', 'end', lease.id, '--dry-run')
    const ended = await chain.ask<{ refund: string; paid: string; closed: boolean }>(0, 'market', 'end', lease.id, '--yes')
    const now = await stored(lease.id)
    assert.equal(now.closed, true)
    const refund = opened.rate * BigInt(opened.end - now.end)
    assert.equal(BigInt(ended.refund), refund)
    assert.ok(BigInt(asked.refund) >= refund, 'a dry run says what it would be now')
    assert.equal((await books(customer())).available, before.available + refund)
    assert.equal(BigInt(ended.paid), opened.rate * BigInt(now.end - (opened.end - WEEK)))
    assert.equal(BigInt(ended.paid) + refund, BigInt(lease.total), 'nothing is made or lost')
    const rows = await chain.ask<readonly { id: string; state: string; paid: string; end: number; locked: string }[]>(0, 'market', 'leases')
    assert.deepEqual(
      rows.map((row) => [row.id, row.state, row.paid, row.end, row.locked]),
      [[lease.id, 'closed', ended.paid, now.end, '0']],
    )
    await chain.ask(2, 'market', 'end', lease.id, '--yes')
  })

  test('a used quote opens nothing again, and a provider that ends early gives its notice', async () => {
    const next = await chain.ask<Opened>(1, 'market', 'lease', '--for', '7d', '--most', '0.13', '--yes')
    assert.deepEqual(next.opened, false)
    assert.ok(next.considered.some((one) => one.provider === operator(2) && one.why === 'used'))
    // The quotes were good for a day, and three have passed.
    assert.ok(next.considered.some((one) => one.provider === operator(1) && one.why === 'expired'))
    const path = join(chain.folder, 'late.json')
    await chain.ask(0, 'market', 'quote', customer(), '--as', 'operator:3', '--price', '1', '--per', '1d', '--notice', '2h', '--out', path)
    const start = await books(customer())
    const second = await chain.ask<Opened>(0, 'market', 'lease', path, '--for', '1d', '--yes')
    const before = await stored(second.id)
    await chain.ask(2, 'market', 'end', second.id, '--as', 'operator:1', '--yes')
    await chain.ask(0, 'market', 'end', second.id, '--as', 'operator:3', '--yes')
    const now = await stored(second.id)
    assert.equal(now.closed, false)
    assert.equal(now.end - now.settledAt, 2 * 3600, 'the notice')
    assert.equal((await books(customer())).available, start.available - now.rate * BigInt(now.end - (before.end - DAY)))
    await chain.warp(3 * 3600)
    await chain.ask(0, 'market', 'settle', second.id, '--yes')
    assert.equal((await stored(second.id)).closed, true)
    await chain.ask(1, 'market', 'settle', second.id, '--yes')
  })
})

/** A key that no wallet program knows, in a file of its owner alone; its account has CAIRN of the holder and no coins. */
async function moneyless(name: string, tokens: bigint): Promise<{ as: string; account: Account }> {
  const secret = randomBytes(32)
  const path = join(chain.folder, `${name}.key`)
  await writeFile(path, secret.toString('hex'), { mode: 0o600 })
  const account = accountNamed(toHex(crypto.secp256k1.address(secret)))
  await chain.send(ACCOUNT.holder, { contract: 'token', function: 'transfer', args: [account, tokens] })
  assert.equal(await chain.rpc.balance(account), 0n, 'it could pay for no transaction')
  return { as: `key:${path}`, account }
}

const CAIRN = 10n ** 18n
const tokensOf = (owner: Account): Promise<bigint> => chain.contracts.number('token', 'balanceOf', owner)
async function tokensInEscrow(owner: Account): Promise<bigint> {
  const { token } = chain.deployment.addresses
  return ((await chain.contracts.read('escrow', 'account', owner, token)) as { available: bigint }).available
}

describe('wallets without coins', { timeout: 240_000 }, () => {
  test('one ERC-3009 signature deposits and registers a session key, whoever submits it', async () => {
    const someone = await moneyless('authorization', 40n * CAIRN)
    const session = address(`0x${'5e'.repeat(20)}`)
    const out = join(chain.folder, 'authorization.json')
    const sign = [
      'wallet',
      'sign-deposit',
      '25.5',
      '--authorization',
      '--as',
      someone.as,
      '--session',
      session,
      '--limit',
      '7',
      '--out',
      out,
    ]
    const signed = await chain.ask<Record<string, unknown>>(0, ...sign)
    for (const change of [{ to: customer() }, { amount: '1' }, { grant: { ...(signed['grant'] as object), limit: '8' } }]) {
      const { path: _, ...file } = signed
      await writeFile(`${out}.touched`, JSON.stringify({ ...file, ...change }))
      const refused = await chain.ask<{ error: string }>(2, 'wallet', 'submit', `${out}.touched`, '--yes')
      assert.match(refused.error, /did not sign/)
    }
    await chain.ask(0, 'wallet', 'submit', out, '--as', 'operator:1', '--yes')
    assert.equal(await tokensInEscrow(someone.account), 25n * CAIRN + CAIRN / 2n)
    assert.equal(await tokensOf(someone.account), 14n * CAIRN + CAIRN / 2n)
    assert.equal(await chain.rpc.balance(someone.account), 0n)
    assert.equal(await chain.contracts.read('delegations', 'isActive', someone.account, session, 7), true)
    const { token } = chain.deployment.addresses
    const usage = (await chain.contracts.read('escrow', 'keyUsage', someone.account, session, token)) as { limit: bigint }
    assert.equal(usage.limit, 7n * CAIRN)
    const again = await chain.ask<{ error: string }>(2, 'wallet', 'submit', out, '--as', 'operator:1', '--yes')
    assert.match(again.error, /submitted already/)
  })

  test('one ERC-2612 signature lets its relayer, and nobody else, deposit for its owner, once', async () => {
    const someone = await moneyless('permit', 12n * CAIRN)
    const out = join(chain.folder, 'permit.json')
    await chain.ask(0, 'wallet', 'sign-deposit', '10', '--permit', '--relayer', 'operator:2', '--as', someone.as, '--out', out)
    const relayer = await tokensOf(operator(2))
    await chain.ask(2, 'wallet', 'submit', out, '--as', 'operator:1', '--yes')
    for (let time = 0; time < 2; time += 1) {
      await chain.ask(0, 'wallet', 'submit', out, '--as', 'operator:2', '--yes')
      assert.equal(await tokensInEscrow(someone.account), 10n * CAIRN)
      assert.equal(await tokensOf(someone.account), 2n * CAIRN)
      assert.equal(await tokensOf(operator(2)), relayer, 'the relayer keeps nothing')
    }
  })

  test('who has coins deposits by a permit in one transaction', async () => {
    const [before, nonce] = [await tokensOf(operator(3)), await chain.rpc.nonce(operator(3), 'latest')]
    await chain.ask(0, 'wallet', 'deposit', '3', '--permit', '--as', 'operator:3', '--yes')
    assert.equal(await tokensInEscrow(operator(3)), 3n * CAIRN)
    assert.equal(await tokensOf(operator(3)), before - 3n * CAIRN)
    assert.equal(await chain.rpc.nonce(operator(3), 'latest'), nonce + 1)
    const { token, escrow } = chain.deployment.addresses
    assert.equal(await chain.contracts.number('token', 'allowance', operator(3), escrow), 0n, `no allowance of ${token} is left`)
  })
})

describe('an account of a passkey', { timeout: 240_000 }, () => {
  let account: Account
  interface Shown {
    readonly account: Account
    readonly created: boolean
    readonly nonce: string
    readonly token: string
    readonly devices: readonly { readonly id: string }[]
    readonly sessions: readonly { readonly key: string }[]
  }
  const show = (): Promise<Shown> => chain.ask(0, 'wallet', 'passkey', 'show')

  test('is created by anybody, owns a device and registers a session key by an assertion', async () => {
    ;({ account } = await chain.ask<Shown>(0, 'wallet', 'passkey', 'create', '--yes'))
    const key = join(chain.folder, 'device.key')
    await writeFile(key, randomBytes(32).toString('hex'), { mode: 0o600 })
    const owned = await chain.ask<{ device: string }>(0, 'wallet', 'passkey', 'own-device', '--device-key', key, '--yes')
    assert.equal(await chain.contracts.read('devices', 'ownerOf', owned.device), account)
    const session = address(`0x${'5f'.repeat(20)}`)
    await chain.ask(0, 'wallet', 'passkey', 'register-session', session, '--limit', '20', '--scope', 'voucher', '--yes')
    assert.equal(await chain.contracts.read('delegations', 'isActive', account, session, 1), true)
    assert.equal(await chain.contracts.read('delegations', 'isActive', account, session, 2), false)
    const shown = await show()
    assert.deepEqual(
      shown.devices.map((row) => row.id),
      [owned.device],
    )
    assert.deepEqual(
      shown.sessions.map((row) => row.key),
      [session],
    )
    assert.deepEqual([shown.account, shown.created, shown.nonce], [account, true, '1'])
  })

  test('claims its reward with an answer that a browser gave, and sends it on in the same transaction', async () => {
    const granted = 41n * CAIRN + 7n
    await publish(account, granted)
    const before = await tokensOf(customer())
    const request = join(chain.folder, 'claim.json')
    const asked = await chain.ask<{ challenge: string }>(0, 'wallet', 'passkey', 'claim', '--send-to', 'customer', '--request', request)
    const { pem } = JSON.parse(await readFile(join(chain.folder, 'passkey.json'), 'utf8')) as { pem: string }
    const challenge = fromBase64Url(asked.challenge) ?? new Uint8Array(0)
    const answer = join(chain.folder, 'answer.json')
    const sign = (over: Uint8Array, rpId = 'localhost') =>
      writeFile(answer, JSON.stringify({ id: 'x', ...assertWith(crypto, { pem, rpId, origin: 'http://localhost:3000' }, over) }))
    const submit = ['wallet', 'passkey', 'submit', request, answer, '--as', 'operator:1', '--yes']
    await sign(challenge, 'elsewhere.example')
    assert.match((await chain.ask<{ error: string }>(2, ...submit)).error, /another site/)
    await sign(new Uint8Array(32))
    assert.match((await chain.ask<{ error: string }>(2, ...submit)).error, /another challenge/)
    await sign(challenge)
    await chain.ask(0, ...submit)
    assert.equal(await tokensOf(customer()), before + granted)
    assert.equal(await tokensOf(account), 0n)
    const { token } = chain.deployment.addresses
    assert.equal(await chain.contracts.number('rewards', 'claimedOf', chain.net, token, account), granted)
    assert.equal((await show()).nonce, '2')
    await chain.ask(1, 'wallet', 'passkey', 'claim', '--yes')
    await chain.ask(2, ...submit)
  })

  test('what people sign is hashed by the contracts as by this code', async () => {
    const { addresses, chainId } = chain.deployment
    const { contracts } = chain
    const fill = (bytes: number) => `0x${toHex(randomBytes(bytes))}` as const
    const hexOf = (bytes: Uint8Array): string => `0x${toHex(bytes)}`
    for (const asset of ['token', 'credits'] as const) {
      const separator = domainSeparator(crypto, tokenDomain(chainId, asset, addresses[asset]))
      assert.equal(hexOf(separator), await contracts.read(asset, 'DOMAIN_SEPARATOR'))
    }
    for (let round = 0; round < 4; round += 1) {
      const n = (bits: number): bigint => BigInt(fill(bits / 8))
      const times = { term: Number(n(40)), notice: Number(n(40)), expiry: Number(n(40)) }
      const parties = { provider: accountNamed(fill(20)), customer: accountNamed(fill(20)), asset: address(fill(20)) }
      const quote = { ...parties, ...times, net: networkId(Number(n(32))), rate: n(96), spec: digest(fill(32)), nonce: n(256) }
      assert.equal(hexOf(quoteHash(crypto, chainId, addresses.market, quote)), await contracts.read('market', 'hashQuote', quote))
      const grant = { key: address(fill(20)), scope: Number(n(32)), limit: n(128), until: Number(n(40)), salt: digest(fill(32)) }
      const nonce = authorizationNonce(crypto, parties.customer, parties.asset, grant)
      assert.equal(nonce, await contracts.read('escrow', 'authorizationNonce', parties.customer, parties.asset, grant))
      const calls = Array.from({ length: round }, (_, i) => ({ target: address(fill(20)), value: n(256), data: fill(1 + 31 * i) }))
      const execution = { account, calls, nonce: n(256), deadline: times.expiry }
      const stored = await contracts.readAt(address(account), 'passkeyAccount', 'executeDigest', calls, execution.nonce, execution.deadline)
      assert.equal(hexOf(executeHash(crypto, chainId, execution)), stored)
    }
  })

  test('it signs for others inside its own domain, and is a device’s signer under its 96 bytes', async () => {
    const file = JSON.parse(await readFile(join(chain.folder, 'passkey.json'), 'utf8')) as { pem: string; x: string; y: string }
    const passkey = { key: Buffer.from(`${file.x}${file.y}`.replaceAll('0x', ''), 'hex'), rpIdHash: crypto.sha256(utf8('localhost')) }
    const hash = randomBytes(32)
    const assertion = (challenge: Uint8Array): Hex => {
      const json = assertWith(crypto, { pem: file.pem, rpId: 'localhost', origin: 'https://localhost' }, challenge)
      return `0x${toHex(encodeAssertion(challenge, assertionJson.parse(json)))}`
    }
    const says = (signature: Hex) =>
      chain.contracts.readAt(address(account), 'passkeyAccount', 'isValidSignature', digestOf(hash), signature)
    assert.equal(await says(assertion(messageHash(crypto, chain.deployment.chainId, account, hash))), '0x1626ba7e')
    assert.equal(await says(assertion(hash)), '0xffffffff')
    const signer: Hex = `0x${toHex(passkeySigner(passkey))}`
    assert.equal(await chain.contracts.read('devices', 'verify', signer, digestOf(hash), assertion(hash)), true)
    assert.equal(await chain.contracts.read('devices', 'verify', signer, digestOf(randomBytes(32)), assertion(hash)), false)
  })
})

/** A settlement that grants `account` a reward, where the network's verifier keeps its own, and its root on chain. */
async function publish(account: Account, amount: bigint): Promise<void> {
  const { addresses, chainId } = chain.deployment
  const net = networkId(chain.net)
  const others = [customer(), operator(1)].map((owner, i) => ({ account: owner, cumulative: BigInt(i) + 5n, channels: [] }))
  const owners = [{ account, cumulative: amount, channels: [] }, ...others].sort((a, b) => (a.account < b.account ? -1 : 1))
  const total = owners.reduce((sum, owner) => sum + owner.cumulative, 0n)
  const root = rewardRoot(crypto, net, addresses.token, owners)
  const epoch = Number(await chain.contracts.number('networks', 'currentEpoch', net)) - 1
  const rules = { rules: 1, resource: 'storage', net, epoch, asset: addresses.token, bundles: [], previous: null, budget: total }
  const bytes = settlementSchema.encode({ ...rules, scores: [], owners, carry: null, root, total })
  const dataHash = digestOf(crypto.sha256(bytes))
  const folder = join(chain.folder, 'verifier', 'evidence', dataHash.slice(2, 4))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, dataHash.slice(2)), bytes)
  const message = { net, asset: addresses.token, epoch, attempt: 0, setId: 0, root, total, dataHash }
  const hash = typedDataHash(crypto, domainSeparator(crypto, rootDomain(chainId, addresses.publisher)), ROOT, message)
  const signature = `0x${toHex(crypto.secp256k1.sign(chain.keys.wallet(ACCOUNT.verifier).secret, hash))}`
  await chain.send(ACCOUNT.verifier, { contract: 'publisher', function: 'publish', args: [message, signature] })
  await chain.warp(120)
}
