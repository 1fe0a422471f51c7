import assert from 'node:assert/strict'
import { test } from 'node:test'
import { account, type Digest, digest, digestOf, networkId } from '../../protocol/ids.ts'
import type { StorageClaim, StorageProof } from '../../resources/storage/index.ts'
import type { CallOutcome, ChainCall, ChainView } from '../../runtime/chain.ts'
import type { DemandRow, StorageHead } from '../../runtime/chain-judges.ts'
import { createFakeClock } from '../../runtime/fake/index.ts'
import { createCapturingLog } from '../../runtime/fake/log.ts'
import { present } from '../../std/assert.ts'
import { type DemandParts, demandLoop } from './demands.ts'

const NET = networkId(2)
const OPERATOR = account(`0x${'b1'.repeat(20)}`)
const PROOFS = `0x${'aa'.repeat(20)}`
const bytes32 = (byte: number): Digest => digestOf(new Uint8Array(32).fill(byte))

const headOf = (version: bigint): StorageHead => ({
  net: NET,
  setId: bytes32(1),
  provider: OPERATOR,
  customer: account(`0x${'c1'.repeat(20)}`),
  root: bytes32(2),
  count: 1n,
  totalBytes: 5000n,
  version,
  expiresAt: 2_000_000_000,
})
const claimOf = (version: bigint): StorageClaim => ({
  head: headOf(version),
  customerSignature: new Uint8Array(65).fill(7),
  providerSignature: new Uint8Array(65).fill(8),
})
const PROOF: StorageProof = {
  index: 0n,
  start: 0n,
  size: 5000n,
  pieceId: bytes32(3),
  pieceRoot: bytes32(4),
  setPath: new Uint8Array(0),
  leaf: Uint8Array.of(1, 2, 3),
  piecePath: new Uint8Array(64).fill(9),
}

const demandOf = (id: bigint, over: Partial<DemandRow> = {}): DemandRow => ({
  id,
  net: NET,
  provider: OPERATOR,
  setId: bytes32(1),
  demander: account(`0x${'d1'.repeat(20)}`),
  head: headOf(3n),
  position: 4321n,
  bond: 10n,
  openedAt: 1_800_000_000,
  openedBlock: 7n,
  state: 'open',
  slashed: 0n,
  ...over,
})

const CONFIRMED: CallOutcome = { is: 'confirmed', hash: digest(`0x${'ee'.repeat(32)}`), block: 9n }
const refused = (error: string): CallOutcome => ({ is: 'reverted', error, data: {} })

interface Over {
  readonly signed?: DemandParts['provider']['signed']
  readonly show?: DemandParts['provider']['show']
  readonly answer?: (call: ChainCall) => CallOutcome | Error
  /** How often the chain has something new. */
  readonly blockMs?: number
}

/** A node with `rows` on its chain; what it sent, in order. A confirmed reply closes its demand. */
function stage(rows: DemandRow[], over: Over = {}) {
  const clock = createFakeClock()
  const { log, lines } = createCapturingLog(clock)
  const sent: ChainCall[] = []
  const asked: bigint[] = []
  const chain: Pick<ChainView, 'demands' | 'advanced' | 'addresses'> = {
    addresses: { proofs: PROOFS } as ChainView['addresses'],
    demands: (net, provider) => rows.filter((row) => row.net === net && row.provider === provider),
    advanced: (ms, signal) => clock.sleep(over.blockMs ?? ms, signal),
  }
  const parts: DemandParts = {
    rt: { clock, log, chain: chain as ChainView },
    net: NET,
    operator: OPERATOR,
    signer: {
      account: OPERATOR,
      async send(call) {
        sent.push(call)
        const outcome = over.answer?.(call) ?? CONFIRMED
        if (outcome instanceof Error) throw outcome
        const at = rows.findIndex((row) => row.id === call.args[0])
        if (outcome.is === 'confirmed') rows[at] = { ...present(rows[at], 'a demand'), state: 'answered' }
        return outcome
      },
    },
    provider: {
      signed: over.signed ?? (() => ({ is: 'signed', newest: claimOf(3n) })),
      show:
        over.show ??
        (async (challenge) => {
          asked.push(challenge.position)
          return { ok: true, proof: PROOF }
        }),
    },
  }
  const stop = new AbortController()
  return {
    sent,
    asked,
    lines,
    async run(ms: number): Promise<void> {
      const done = demandLoop(parts, stop.signal)
      await clock.advance(ms)
      stop.abort()
      await clock.advance(10_000)
      await done
    },
  }
}

test('an open demand is answered once, with the proof of the byte that the contract drew', async () => {
  const { run, sent, asked } = stage([demandOf(5n), demandOf(4n, { state: 'faulted' })])
  await run(120_000)
  assert.equal(sent.length, 1)
  assert.deepEqual(asked, [4321n])
  const [call] = sent
  assert.equal(call?.function, 'answer')
  assert.equal(call?.key, `answer:${PROOFS}:5:0`)
  const proof = { ...PROOF, setPath: [], leaf: '0x010203', piecePath: [bytes32(9), bytes32(9)] }
  assert.deepEqual(call?.args, [5n, headOf(3n), proof])
})

test('a head that both replaced is met with the newer one, and no data is shown', async () => {
  const { run, sent, asked } = stage([demandOf(5n)], { signed: () => ({ is: 'unknown', newest: claimOf(4n) }) })
  await run(120_000)
  assert.deepEqual(asked, [])
  const [call] = sent
  assert.equal(sent.length, 1)
  assert.equal(call?.function, 'supersede')
  assert.deepEqual(call?.args, [5n, headOf(3n), headOf(4n), `0x${'08'.repeat(65)}`, `0x${'07'.repeat(65)}`])
})

test('a newer head whose customer’s key is long expired does not count, and the byte is shown', async () => {
  const { run, sent, asked } = stage([demandOf(5n)], {
    signed: () => ({ is: 'signed', newest: claimOf(4n) }),
    answer: (call) => (call.function === 'supersede' ? refused('NotSignedBy') : CONFIRMED),
  })
  await run(120_000)
  assert.deepEqual(asked, [4321n])
  assert.deepEqual(
    sent.map((call) => call.function),
    ['supersede', 'answer'],
  )
})

test('a demand on the set of another device of the same operator is left to that device', async () => {
  const { run, sent } = stage([demandOf(5n)], { signed: () => ({ is: 'foreign' }) })
  await run(3_600_000)
  assert.equal(sent.length, 0)
})

test('what is refused is tried again ever more rarely, under a key of its own, and not for ever', async () => {
  const { run, sent } = stage([demandOf(5n)], { answer: () => refused('BadProof') })
  await run(60_000)
  assert.ok(sent.length >= 4 && sent.length <= 6, `${sent.length} tries in the first minute`)
  const week = stage([demandOf(5n)], { answer: () => refused('BadProof'), blockMs: 600_000 })
  await week.run(7 * 86_400_000)
  assert.equal(week.sent.length, 24)
  assert.equal(new Set(week.sent.map((call) => call.key)).size, 24)
})

test('a chain that is away costs no try: the same intent is waited for until it is there', async () => {
  let away = 3
  const { run, sent } = stage([demandOf(5n)], {
    answer() {
      away -= 1
      return away >= 0 ? new Error('away') : CONFIRMED
    },
  })
  await run(60_000)
  assert.equal(sent.length, 4)
  assert.equal(new Set(sent.map((call) => call.key)).size, 1)
})

test('a restart asks for the outcome of the same intent instead of sending another', async () => {
  const before = stage([demandOf(5n)])
  await before.run(10_000)
  const after = stage([demandOf(5n)])
  await after.run(10_000)
  assert.equal(after.sent[0]?.key, before.sent[0]?.key)
})

test('at most four demands are answered at a time, and a lost byte is said once', async () => {
  let running = 0
  let most = 0
  const rows = Array.from({ length: 12 }, (_, i) => demandOf(BigInt(i + 1)))
  const { run, sent, lines } = stage(rows, {
    async show() {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return { ok: false, lost: bytes32(3) }
    },
  })
  await run(600_000)
  assert.equal(sent.length, 0)
  assert.equal(most, 4)
  assert.equal(lines.filter((line) => line.includes('"level":"error"')).length, 12)
})
