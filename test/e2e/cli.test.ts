/** Everything that people type, run as they would against one real network: status, evidence, money, recovery, coming and going. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { settlementSchema } from '../../src/resources/evidence.ts'
import { startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const EPOCH_SECONDS = 15
/** Longest that one command may take on a machine that does much else. */
const VERB_MS = 180_000

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

let network: TestNetwork
let customer: Customer

function cairn(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: VERB_MS })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')))
    child.once('close', (code) => resolve({ code, out, err }))
  })
}

/** Runs a verb with `--json` on the network; its document. */
async function ask<T>(expected: number, ...args: readonly string[]): Promise<T> {
  const ran = await cairn(...args, '--json', '--data', network.folder)
  assert.equal(ran.code, expected, `cairn ${args.join(' ')} ended with ${ran.code}\n${ran.out}${ran.err}`)
  return JSON.parse(ran.out) as T
}

interface EpochLine {
  readonly epoch: number
  readonly root: string | null
  readonly state: string
}
interface Health {
  readonly inline: boolean
  readonly segments: readonly { readonly alive: number; readonly k: number; readonly pieces: readonly { readonly device: string }[] }[]
}
type Audited = { readonly equal: boolean; readonly differs?: string; readonly where?: string }

const verified = () => ask<{ ok: boolean; findings: readonly unknown[] }>(0, 'chain', 'verify')

const published = async (): Promise<readonly EpochLine[]> => {
  const lines = await ask<readonly EpochLine[]>(0, 'epoch', 'list')
  return lines.filter((line) => line.root !== null)
}

before(async () => {
  network = await startNetwork({ epochSeconds: EPOCH_SECONDS })
  customer = await createCustomer(() => network.s3, 'photos')
  await customer.store('large', 3_000_000)
  await customer.store('small', 500)
})

after(async () => {
  customer?.close()
  await network?.close()
})

describe('the command line, on a network of real processes', { timeout: 560_000 }, () => {
  test('says who serves, and what this machine can do', async () => {
    const status = await ask<{ serving: boolean; daemons: readonly { name: string }[] }>(0, 'status')
    assert.equal(status.serving, true)
    assert.equal(status.daemons.length, 10)
    const checks = await ask<readonly { check: string; is: string }[]>(0, 'doctor')
    assert.equal(checks.find((one) => one.check === 'P-256 precompile')?.is, 'ok')
    assert.equal(checks.find((one) => one.check === 'clock')?.is, 'ok')
  })

  test('checks the contracts of its own folder', async () => {
    const { ok, findings } = await verified()
    assert.ok(ok && findings.length >= 70, `${findings.length} checks`)
  })

  test('shows where an object is kept', async () => {
    const large = await ask<Health>(0, 'storage', 'stat', 's3://photos/large')
    assert.equal(large.segments.length, 1)
    const [segment] = large.segments
    assert.ok(segment !== undefined && segment.alive >= 6)
    assert.equal(new Set(segment.pieces.map((piece) => piece.device)).size, 8)
    assert.equal((await ask<Health>(0, 'storage', 'stat', 's3://photos/small')).inline, true)
    assert.equal((await cairn('storage', 'stat', 's3://photos/none', '--data', network.folder)).code, 2)
    assert.equal((await cairn('storage', 'stat', 'photos/large', '--data', network.folder)).code, 2)
  })

  test('audits epochs, and names what was tampered with', async () => {
    const lines = await until(
      'an epoch pays and its root is active',
      async () => {
        const all = await published()
        return all.filter((line) => line.state === 'active').length >= 2 ? all : null
      },
      VERB_MS,
    )
    const epoch = String(lines.findLast((line) => line.state === 'active')?.epoch)
    assert.equal((await ask<Audited>(0, 'audit', epoch)).equal, true)
    assert.equal((await ask<Audited>(0, 'audit', epoch, '--remote')).equal, true)
    const shown = await ask<{ scores: readonly { subject: string; score: number }[]; bundles: readonly string[] }>(
      0,
      'epoch',
      'show',
      epoch,
    )
    assert.equal(shown.scores.length, 8)
    const bundle = shown.bundles[0] ?? ''
    await tampered(
      bundle,
      (bytes) => bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
      async () => {
        const found = await ask<Audited>(1, 'audit', epoch)
        assert.deepEqual([found.differs, found.where], ['bundle', bundle])
      },
    )
    await tampered(await settlementName(Number(epoch)), lowered, async () => {
      const found = await ask<Audited>(1, 'audit', epoch)
      assert.equal(found.differs, 'score')
      assert.ok(shown.scores.some((row) => row.subject === found.where))
    })
    assert.equal((await ask<Audited>(0, 'audit', epoch)).equal, true)
    assert.equal((await cairn('audit', '1', '--data', network.folder)).code, 2)
  })

  test('tells an operator what it earned, and why', async () => {
    type Earnings = readonly {
      epochs: readonly { score: number; reasons: readonly unknown[] }[]
      rewards: { claimed: string; claimable: string }
    }[]
    const [earned] = await ask<Earnings>(0, 'node', 'earnings', '--node', '1')
    assert.ok(earned !== undefined && earned.epochs.length > 0)
    assert.ok(earned.epochs.some((row) => row.score > 0))
    assert.ok(BigInt(earned.rewards.claimed) + BigInt(earned.rewards.claimable) > 0n)
    for (const row of earned.epochs) assert.ok(row.score === 1_000_000 || row.reasons.length > 0, 'every deduction has a reason')
    const status = await ask<readonly { status: { pieces: number } }[]>(0, 'node', 'status', '--node', '1')
    assert.ok((status[0]?.status.pieces ?? 0) > 0)
  })

  test('gives the gateway another key, ends the old one, and goes on', async () => {
    type Keys = readonly { key: string; state: string; gateway: boolean }[]
    const now = async () => (await ask<Keys>(0, 'account', 'session', 'list')).map((row) => [row.key, row.state, row.gateway])
    const renewed = await ask<{ key: string; replaces: string; gateway: string }>(0, 'account', 'session', 'renew', '--yes')
    assert.equal(renewed.gateway, 'restarted')
    await ask(0, 'account', 'session', 'revoke', renewed.replaces, '--yes')
    const expected = [
      [renewed.replaces, 'revoked', false],
      [renewed.key, 'active', true],
    ]
    await until('the revocation is confirmed', async () => JSON.stringify(await now()) === JSON.stringify(expected), VERB_MS)
    await customer.store('with-another-key', 200_000)
    const isRead = () =>
      customer.verify().then(
        () => true,
        () => false,
      )
    await until('everything is read with the new key', isRead, VERB_MS)
  })

  test('rebuilds a gateway that lost everything, with objects written after the last snapshot', async () => {
    await until(
      'a snapshot is on chain',
      () => network.log('gateway', 'info').some((line) => String(line['message']).includes('snapshot')),
      VERB_MS,
    )
    await customer.store('late-large', 1_000_000)
    await customer.store('late-small', 300)
    // What is not inline is covered by the log within a second.
    await new Promise((done) => setTimeout(done, 2_500))
    const { mnemonic } = await ask<{ mnemonic: string }>(0, 'account', 'show', '--mnemonic')
    assert.equal(await network.stop(), 0)
    const before = await readFile(join(network.folder, 'chain', 'state.json'))
    assert.ok((await verified()).ok, 'a stopped network’s contracts are checked, too')
    assert.ok(before.equals(await readFile(join(network.folder, 'chain', 'state.json'))), 'without touching its chain')
    await rm(join(network.folder, 'gateway'), { recursive: true })
    const words = join(network.folder, 'words')
    await writeFile(words, mnemonic)
    const report = await ask<{ objects: number; unreachable: readonly string[] }>(0, 'storage', 'recover', '--mnemonic-file', words)
    assert.deepEqual([report.objects, report.unreachable], [5, []])
    const twice = await cairn('storage', 'recover', '--mnemonic-file', words, '--data', network.folder)
    assert.equal(twice.code, 2, 'nothing is written over a gateway')
    await network.resume()
    await customer.verify()
    await customer.store('after', 200_000)
    await customer.verify()
  })

  test('lets an outsider join with two disks, and leave once the pieces are elsewhere', async () => {
    const descriptor = join(network.folder, 'net.json')
    assert.equal((await cairn('network', 'describe', '--data', network.folder, '--out', descriptor)).code, 0)
    const folder = join(network.folder, 'nodes', '9')
    const poor = await cairn('node', 'join', descriptor, '--data', folder, '--no-run')
    assert.equal(poor.code, 2)
    assert.match(poor.err, /CAIRN/)
    const joined = await cairn('node', 'join', descriptor, '--data', folder, '--no-run', '--json', '--fund-from', network.folder)
    assert.equal(joined.code, 0, joined.err)
    const { device, operator } = JSON.parse(joined.out) as { device: string; operator: string }
    await network.startNode(9)
    const beside = join(network.folder, 'nodes', '10')
    // Nobody gives it anything: the operator has its stake already.
    const second = await cairn('node', 'join', descriptor, '--data', beside, '--operator-of', folder, '--no-run', '--json')
    assert.equal(second.code, 0, second.err)
    const other = JSON.parse(second.out) as { device: string; operator: string }
    assert.ok(other.device !== device && other.operator === operator)
    await network.startNode(10)
    await until(
      'both newcomers are given a piece and sign for it',
      async () => {
        await customer.store(`more-${Date.now()}`, 100_000)
        const kept = await Promise.all([folder, beside].map(keptBytes))
        return kept.every((bytes) => bytes > 0n)
      },
      VERB_MS,
    )
    const exits = await Promise.all(
      [folder, beside].map((data) => cairn('node', 'exit', '--data', data, '--yes', '--json', '--wait', '150')),
    )
    for (const left of exits) assert.equal(left.code, 0, `${left.out}${left.err}`)
    const reports = exits.map((left) => JSON.parse(left.out) as { exited: boolean; device: string; unbonded: string })
    assert.deepEqual(
      reports.map((report) => [report.exited, report.device]),
      [
        [true, device],
        [true, other.device],
      ],
    )
    await customer.verify()
  })
})

/** What the sets that a node signed name. */
async function keptBytes(data: string): Promise<bigint> {
  const ran = await cairn('node', 'status', '--data', data, '--json')
  const [one] = JSON.parse(ran.out) as readonly [{ status: { accounts: readonly { keptBytes: string }[] } | null }]
  return (one.status?.accounts ?? []).reduce((sum, row) => sum + BigInt(row.keptBytes), 0n)
}

const pathOf = (name: string): string => join(network.folder, 'verifier', 'evidence', name.slice(2, 4), name.slice(2))

/** Does something while an evidence file is altered, and puts it back. */
async function tampered(name: string, alter: (bytes: Uint8Array) => Uint8Array, work: () => Promise<void>): Promise<void> {
  const honest = await readFile(pathOf(name))
  await writeFile(pathOf(name), alter(honest))
  try {
    await work()
  } finally {
    await writeFile(pathOf(name), honest)
  }
}

/** A settlement in which the first device got a thousandth of a score less. */
function lowered(bytes: Uint8Array): Uint8Array {
  const settlement = settlementSchema.decode(bytes)
  const [first, ...others] = settlement.scores
  assert(first !== undefined)
  return settlementSchema.encode({ ...settlement, scores: [{ ...first, score: first.score - 1_000 }, ...others] })
}

/** The settlement's digest, from the verifier's own book. */
async function settlementName(epoch: number): Promise<string> {
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(join(network.folder, 'verifier', 'state.db'), { readOnly: true })
  try {
    return String(database.prepare('SELECT settlement FROM verifier_epochs WHERE epoch = ?').get(epoch)?.['settlement'])
  } finally {
    database.close()
  }
}
