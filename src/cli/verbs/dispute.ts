/** `cairn dispute`: bond against bond before the network's arbiter. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, type Digest, digest, digestOf } from '../../protocol/ids.ts'
import { finalizeDispute, openDispute, openRootDispute, respondDispute, ruleDispute, withdrawBond } from '../../runtime/actions/disputes.ts'
import type { DisputeRow, Verdict } from '../../runtime/chain-judges.ts'
import { accountNamed, openActor } from './actor.ts'
import type { ChainDesk } from './desk.ts'
import { cairn, type Exit, print, printJson, table } from './output.ts'
import { amountOf, approval, atDesk, carryOut, type LookOptions, type SignOptions, type Step } from './send.ts'

/** What a bond stands for is published by whoever posts it; a text of more than this is kept elsewhere. */
const EVIDENCE_MAX = 64 << 20

/** A 32-byte hash as it is given, or SHA-256 of a file. */
async function hashOf(desk: ChainDesk, text: string): Promise<Digest> {
  if (/^0x[0-9a-fA-F]{64}$/.test(text)) return digest(text.toLowerCase())
  const bytes = await readFile(text).catch(() => null)
  if (bytes !== null && bytes.length <= EVIDENCE_MAX) return digestOf(desk.crypto.sha256(bytes))
  const why = bytes === null ? 'it is neither a 32-byte hash nor a file' : 'it is too large'
  throw new CairnError('CONFIG', { what: text, why, fix: 'give the file that you publish, or its SHA-256 as 0x…' })
}

const paramsType = z.object({ disputeBond: z.bigint() })

function rowOf(desk: ChainDesk, id: bigint): DisputeRow {
  const row = desk.access.view.dispute(id)
  if (row !== null) return row
  throw new CairnError('NOT_FOUND', { what: 'dispute', id: `${id}; see \`cairn dispute list\`` })
}

/** The number of what was just opened: the newest of this challenger that names this evidence. */
function opened(desk: ChainDesk, challenger: Account, evidence: Digest) {
  const id =
    desk.access.view.disputes(desk.network.id).findLast((row) => row.challenger === challenger && row.evidence === evidence)?.id ?? null
  return { facts: { id }, say: id === null ? 'opened; see `cairn dispute list`' : `opened dispute ${id}` }
}

/** The view is brought to the block of the last transaction: what was confirmed is three deep, and so is the view soon. */
async function settled(desk: ChainDesk): Promise<void> {
  const latest = await desk.rpc.blockNumber()
  for (let looks = 0; looks < VIEW_LOOKS && (desk.access.view.head()?.number ?? 0n) + 3n < latest; looks += 1) {
    await desk.access.view.advanced(500)
  }
}
const VIEW_LOOKS = 20

export const open = (accused: string, evidence: string, options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const net = desk.network.id
    const who = await accountNamed(desk.crypto, place, accused)
    const hash = await hashOf(desk, evidence)
    const signer = await openActor(desk, place, options.as)
    const { disputeBond: bond } = paramsType.parse(await desk.contracts.read('networks', 'params', net))
    const allow = await approval(desk, signer, { asset: 'token', spender: desk.access.view.addresses.disputes, amount: bond })
    const send: Step['send'] = (o) => openDispute(signer, { net, accused: who, evidence: hash }, o)
    const deed = {
      question: `Accuse ${who} in network ${net} for a bond of ${cairn(bond)} CAIRN? Publish the evidence ${hash}.`,
      facts: { net, accused: who, challenger: signer.account, bond, evidence: hash },
      steps: [...allow, { what: 'opening the dispute', call: 'disputes.open', send }],
      async after() {
        await settled(desk)
        return opened(desk, signer.account, hash)
      },
    }
    return carryOut(deed, options)
  })

/** Challenges the pending root of an epoch. */
export const openRoot = (epoch: number, reason: string, options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const net = desk.network.id
    const root = desk.access.view.roots(net).findLast((row) => row.epoch === epoch) ?? null
    if (root === null) throw new CairnError('NOT_FOUND', { what: 'root of epoch', id: `${epoch}; see \`cairn epoch list\`` })
    const hash = await hashOf(desk, reason)
    const signer = await openActor(desk, place, options.as)
    const { asset, index } = root
    const bond = await desk.contracts.number('disputes', 'rootBondOf', net, asset)
    const allow = await approval(desk, signer, { asset: 'token', spender: desk.access.view.addresses.disputes, amount: bond })
    const send: Step['send'] = (o) => openRootDispute(signer, { net, asset, index, reason: hash }, o)
    const deed = {
      question: `Challenge the root of epoch ${epoch} (${root.state}) for a bond of ${cairn(bond)} CAIRN? Publish the reason ${hash}.`,
      facts: { net, epoch, index, root: root.root, challenger: signer.account, bond, reason: hash },
      steps: [...allow, { what: 'challenging the root', call: 'disputes.openRoot', send }],
      async after() {
        await settled(desk)
        return opened(desk, signer.account, hash)
      },
    }
    return carryOut(deed, options)
  })

/** The accused answers, and posts as much as the challenger did. */
export const respond = (id: bigint, answer: string, options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const row = rowOf(desk, id)
    const hash = await hashOf(desk, answer)
    const signer = await openActor(desk, place, options.as)
    const allow = await approval(desk, signer, { asset: 'token', spender: desk.access.view.addresses.disputes, amount: row.bond })
    const send: Step['send'] = (o) => respondDispute(signer, { id, answer: hash }, o)
    const question = `Answer dispute ${id} for a bond of ${cairn(row.bond)} CAIRN? Publish the answer ${hash}.`
    const steps = [...allow, { what: 'answering', call: 'disputes.respond', send }]
    return carryOut({ question, facts: { id, accused: signer.account, bond: row.bond, answer: hash }, steps }, options)
  })

/** The arbiter's verdict. `amount`: what an accepted dispute slashes. */
export const rule = (
  id: bigint,
  verdict: Exclude<Verdict, 'default'>,
  options: SignOptions & { readonly amount?: string },
): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    rowOf(desk, id)
    if ((verdict === 'accept') !== (options.amount !== undefined)) {
      const why = verdict === 'accept' ? 'it does not say what is slashed' : 'only an accepted dispute slashes'
      throw new CairnError('CONFIG', {
        what: 'the verdict',
        why,
        fix: 'give --amount with accept, and with nothing else; 0 slashes nothing',
      })
    }
    const amount = options.amount === undefined || options.amount === '0' ? 0n : amountOf(options.amount)
    const signer = await openActor(desk, place, options.as)
    const send: Step['send'] = (o) => ruleDispute(signer, { id, verdict, amount }, o)
    const question = `Rule dispute ${id}: ${verdict}${verdict === 'accept' ? `, slashing ${cairn(amount)} CAIRN` : ''}?`
    const steps = [{ what: 'ruling', call: 'disputes.rule', send }]
    return carryOut({ question, facts: { id, verdict, amount, arbiter: signer.account }, steps }, options)
  })

/** Closes what somebody was silent about. Anyone may. */
export const finalize = (id: bigint, options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const row = rowOf(desk, id)
    const signer = await openActor(desk, place, options.as)
    const send: Step['send'] = (o) => finalizeDispute(signer, { id }, o)
    const how = row.state === 'open' ? 'the accused loses by default' : 'a draw, since the arbiter was silent'
    const steps = [{ what: 'closing', call: 'disputes.finalize', send }]
    return carryOut({ question: `Close dispute ${id}: ${how}?`, facts: { id, state: row.state }, steps }, options)
  })

/** Pays the signer what disputes left it. */
export const withdraw = (options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const amount = await desk.contracts.number('disputes', 'withdrawable', signer.account)
    if (amount === 0n) {
      const said = { account: signer.account, amount }
      if (options.json) printJson(said)
      else print(`disputes left nothing for ${signer.account}`)
      return 1
    }
    const steps = [{ what: 'withdrawing', call: 'disputes.withdrawBond', send: (o) => withdrawBond(signer, o) } satisfies Step]
    const question = `Withdraw ${cairn(amount)} CAIRN of bonds to ${signer.account}?`
    return carryOut({ question, facts: { account: signer.account, amount }, steps }, options)
  })

const about = (row: DisputeRow): string => (row.root === null ? (row.accused ?? '') : `root ${row.root.index}`)

/** Disputes, and the devices that were punished without one. */
export const list = (options: LookOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk) => {
    const { view } = desk.access
    const disputes = view.disputes(desk.network.id)
    const punished = view.punished(desk.network.id)
    if (options.json) {
      printJson({ disputes, punished })
      return 0
    }
    const cells = disputes.map((row) => [
      String(row.id),
      row.verdict ?? row.state,
      about(row),
      row.challenger,
      cairn(row.bond),
      row.slashed > 0n ? cairn(row.slashed) : '',
    ])
    print(table(['dispute', 'state', 'about', 'challenger', 'bond', 'slashed'], cells))
    for (const row of punished) print(`device ${row.device} of ${row.accused} equivocated: ${cairn(row.slashed)} CAIRN slashed`)
    return 0
  })

const disputeType = z.object({
  accused: z.string(),
  arbiter: z.string(),
  deadline: z.number(),
  openedBlock: z.number(),
  maxSlash: z.bigint(),
})

/** All that is known of a dispute, and what it waits for. */
export const show = (id: bigint, options: LookOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk) => {
    const row = rowOf(desk, id)
    const kept = disputeType.parse(await desk.contracts.read('disputes', 'dispute', id))
    const shown = { ...row, accused: kept.accused, arbiter: kept.arbiter, deadline: kept.deadline, maxSlash: kept.maxSlash }
    if (options.json) {
      printJson(shown)
      return 0
    }
    const until = new Date(kept.deadline * 1000).toISOString()
    const waits = {
      open: `the accused, until ${until} and block ${row.openedBlock + 600n}`,
      answered: `the arbiter ${kept.arbiter}, until ${until}`,
      closed: 'nothing',
    }
    print(`dispute ${id}: ${row.verdict ?? row.state}`)
    print(`  about       ${about(row)}, accused ${kept.accused}`)
    print(`  challenger  ${row.challenger}, bond ${cairn(row.bond)} CAIRN`)
    print(`  evidence    ${row.evidence}`)
    print(`  answer      ${row.answer ?? '–'}`)
    print(`  waits for   ${waits[row.state]}`)
    print(`  slash       ${row.state === 'closed' ? cairn(row.slashed) : `at most ${cairn(kept.maxSlash)}`} CAIRN`)
    return 0
  })
