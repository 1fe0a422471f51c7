/**
 * Two resources as far from storage as the road has them, written down in types only: the contract must be able to hold
 * them before anyone builds them. The compiler is the test; what runs below only keeps the sketches honest about clocks.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Account, DeviceId, Digest, Epoch } from '../src/protocol/ids.ts'
import { ppm } from '../src/protocol/units.ts'
import type { Group, Member, Reason, Resource, Score, Usage, Verdict } from '../src/resources/resource.ts'

/** Traffic through a node at home: both sides sign byte counts as it flows, and each session is its own evidence. */
interface Bandwidth {
  Terms: { readonly perByte: bigint; readonly country: string; readonly allow: readonly string[] }
  Order: { readonly country: string; readonly bytes: bigint }
  Work: { readonly session: Digest; readonly bytes: bigint }
  /** Closing counts of a session with both signatures. */
  Claim: { readonly session: Digest; readonly customer: Account; readonly bytes: bigint; readonly signatures: readonly Uint8Array[] }
  /** The counts at one moment of the session, which both sides must have kept. */
  Challenge: { readonly session: Digest; readonly at: bigint }
  Proof: { readonly bytes: bigint; readonly mine: Uint8Array; readonly peer: Uint8Array }
  /** What a canary page looked like through the node: whether it changed anything on the way. */
  Observation: { readonly page: Digest; readonly seen: Digest }
  Carry: { readonly strikes: readonly (readonly [DeviceId, number])[] }
}

/** A radio at a place: devices that hear each other's beacons, scored by the cell they share. */
interface Wireless {
  Terms: { readonly perPacket: bigint }
  Order: { readonly cell: string }
  Work: { readonly packets: bigint }
  Claim: { readonly device: DeviceId; readonly cell: string; readonly beacon: Digest }
  Challenge: { readonly beacon: Digest; readonly channel: number }
  Proof: { readonly signal: number; readonly signature: Uint8Array }
  /** A witness that heard it, from where it says it stands. */
  Observation: { readonly beacon: Digest; readonly cell: string; readonly strength: number }
  Carry: null
}

const WITNESSES = 3
const because = (code: string, data: Reason['data'] = {}): Reason => ({ code, data, evidence: [] })
const met = (verdict: Verdict): boolean => verdict.ok

/** The pure half of each sketch; effects are the node's business and are left out. */
type Pure = 'id' | 'rules' | 'units' | 'subject' | 'clock' | 'meter' | 'challenge' | 'admit' | 'verify' | 'group' | 'score'

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)

const bandwidth: Pick<Resource<Bandwidth>, Pure> = {
  id: 'bandwidth',
  rules: 1,
  units: [{ id: 'byte', per: 'once', about: 'a byte that both sides counted' }],
  subject: 'node',
  clock: { every: 'work' },
  meter(sofar, mine, peer) {
    if (peer === null) return { ok: true, usage: sofar }
    if (mine.body.session !== peer.body.session) return { ok: false, reason: because('other-session') }
    return { ok: true, usage: { byte: smaller(mine.body.bytes, peer.body.bytes) } }
  },
  challenge: (crypto, claim, seed) => [{ session: claim.session, at: BigInt(crypto.sha256(seed)[0] ?? 0) % (claim.bytes + 1n) }],
  admit: (_crypto, claim) => ({ ok: true, key: claim.session, payer: claim.customer, units: { byte: claim.bytes } }),
  verify(_crypto, challenge, answer, seen) {
    const units: Usage = {}
    if (seen.some(({ body }) => body.page !== body.seen)) return { ok: false, units, reason: because('changed-a-page') }
    if (answer.is !== 'proof') return { ok: false, units, reason: because(answer.is) }
    return answer.proof.bytes >= challenge.at
      ? { ok: true, units: { byte: answer.proof.bytes } }
      : { ok: false, units, reason: because('fewer') }
  },
  group: ({ claim }) => claim.session,
  score(group, carry) {
    const scores = group.members.map((member) => ({ subject: member.subject, score: ppm(1_000_000), reasons: [] }))
    return { scores, carry: carry ?? { strikes: [] } }
  },
}

const wireless: Pick<Resource<Wireless>, Pure> = {
  id: 'wireless',
  rules: 1,
  units: [{ id: 'packet', per: 'once', about: 'a packet delivered' }],
  subject: 'device',
  clock: { every: 'seconds', n: 3600 },
  meter: (_sofar, mine) => ({ ok: true, usage: { packet: mine.body.packets } }),
  challenge: (crypto, claim, seed) => [{ beacon: claim.beacon, channel: (crypto.sha256(seed)[0] ?? 0) % 8 }],
  // A device is its own subject and the network itself pays for coverage.
  admit: (_crypto, claim, facts) =>
    claim.device === facts.subject
      ? { ok: true, key: claim.beacon, payer: facts.owner, units: { packet: 0n } }
      : { ok: false, reason: because('other-device') },
  verify(_crypto, challenge, _answer, seen) {
    const witnesses = new Set(seen.filter(({ body }) => body.beacon === challenge.beacon).map(({ by }) => by))
    if (witnesses.size >= WITNESSES) return { ok: true, units: { packet: 1n } }
    return { ok: false, units: {}, reason: because('too-few-witnesses', { need: BigInt(WITNESSES), have: BigInt(witnesses.size) }) }
  },
  group: ({ claim }) => claim.cell,
  // A cell that many stand in is shared by them.
  score: (group) => ({ scores: group.members.map((member) => share(group, member)), carry: null }),
}

function share(group: Group<Wireless>, member: Member<Wireless>): Score {
  const all = group.members.filter(({ claims }) => claims.some(({ verdicts }) => verdicts.every(met))).length
  const heard = member.claims.some(({ verdicts }) => verdicts.every(met))
  return { subject: member.subject, score: ppm(heard ? Math.floor(1_000_000 / all) : 0), reasons: heard ? [] : [because('not-heard')] }
}

test('a resource may be metered by both sides for every work, or be a device heard by a quorum in its cell', () => {
  const device = (n: number): DeviceId => `0x${String(n).padStart(64, '0')}` as DeviceId
  const beacon = `0x${'ab'.repeat(32)}` as Digest
  const claim = { device: device(1), cell: 'here', beacon }
  const witness = (n: number) => ({ body: { beacon, cell: 'here', strength: -90 }, by: device(n), signature: new Uint8Array(64) })
  const verdictOf = (...by: number[]): Verdict =>
    wireless.verify(undefined as never, { beacon, channel: 1 }, { is: 'silence' }, by.map(witness))
  assert.equal(verdictOf(2, 3, 3).ok, false)
  assert.equal(verdictOf(2, 3, 4).ok, true)
  const member = (n: number, verdict: Verdict): Member<Wireless> => ({
    subject: device(n),
    claims: [{ claim: { ...claim, device: device(n) }, payer: `0x${'01'.repeat(20)}` as Account, worth: {}, verdicts: [verdict] }],
    refused: [],
  })
  const members = [member(1, verdictOf(2, 3, 4)), member(2, verdictOf(3, 4, 5)), member(3, verdictOf(1))]
  const { scores } = wireless.score({ key: wireless.group({ id: device(1), claim }), epoch: 1 as Epoch, members }, null)
  assert.deepEqual(
    scores.map(({ score }) => score),
    [500_000, 500_000, 0],
  )
  const work = (bytes: bigint, n: number) => ({ body: { session: beacon, bytes }, by: device(n), signature: new Uint8Array(64) })
  assert.deepEqual(bandwidth.meter({}, work(10n, 1), work(9n, 2)), { ok: true, usage: { byte: 9n } })
  assert.deepEqual(bandwidth.meter({ byte: 5n }, work(10n, 1), null), { ok: true, usage: { byte: 5n } })
})
