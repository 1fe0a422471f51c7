/** `cairn verifier equivocation`: verifiers that signed two roots for one slot, and what they answer with. */
import { join } from 'node:path'
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, account, bytesOf, epoch, type NetworkId, networkId } from '../../protocol/ids.ts'
import { type RootMessage, rootMessageHash } from '../../protocol/roots.ts'
import { openBook } from '../../roles/verifier/index.ts'
import { type Signed, submitRootEquivocation } from '../../runtime/actions/disputes.ts'
import type { PunishedSignerRow } from '../../runtime/chain-judges.ts'
import { openDatabase, openDisk } from '../../runtime/real/index.ts'
import { toHex } from '../../std/bytes.ts'
import { openActor } from './actor.ts'
import type { ChainDesk } from './desk.ts'
import { field, readJsonFile } from './json-file.ts'
import { cairn, type Exit, print, printJson, table } from './output.ts'
import { exists, type Place } from './place.ts'
import { atDesk, carryOut, type LookOptions, type SignOptions, type Step } from './send.ts'

/** A verifier that lies in every epoch needs no more of them shown, or paid for, at once. */
const LISTED_MAX = 256
/** A secp256k1 signature, r‖s‖v. */
const SIGNATURE_BYTES = 65

type Pair = readonly [Signed<RootMessage>, Signed<RootMessage>]

interface Evidence {
  readonly signer: Account
  readonly pair: Pair
}

/** What the verifiers of this folder kept, each slot of a signer once. */
async function kept(desk: ChainDesk, place: Place): Promise<readonly Evidence[]> {
  const found = new Map<string, Evidence>()
  for (const folder of place.verifierFolders) {
    const path = join(folder, 'state.db')
    if (!(await exists(path))) continue
    const database = openDatabase(path)
    try {
      for (const { slot, signer, contents } of openBook(database, await openDisk(folder)).equivocations(LISTED_MAX)) {
        const [a, b] = contents.map(({ signature, ...content }) => ({
          message: { net: desk.network.id, asset: desk.access.view.addresses.token, ...slot, ...content },
          signature: `0x${toHex(signature)}` as const,
        }))
        if (a !== undefined && b !== undefined) found.set(`${signer} ${Object.values(slot).join(' ')}`, { signer, pair: [a, b] })
      }
    } finally {
      database.close()
    }
  }
  return [...found.values()].slice(0, LISTED_MAX)
}

const message = z.strictObject({
  net: field.net,
  asset: field.address,
  epoch: field.net,
  attempt: field.net,
  setId: field.net,
  root: field.digest,
  total: field.uint(128),
  dataHash: field.digest,
})
const signed = z.object({ message, signature: field.hex(SIGNATURE_BYTES) })
const fileType = z.tuple([signed, signed])

/** Two signed roots in a file, as `list --json` prints them under `signed`. */
async function fromFile(desk: ChainDesk, path: string): Promise<Evidence> {
  const read = await readJsonFile(
    path,
    'two signed roots, as `cairn verifier equivocation list --json` prints them under `signed`',
    fileType,
  )
  const [a, b] = read.map(({ message: { net, epoch: at, ...rest }, signature }) => ({
    message: { net: networkId(net), epoch: epoch(at), ...rest },
    signature,
  }))
  if (a === undefined || b === undefined) throw new Error('a tuple of two has two')
  return { signer: signerOf(desk, path, [a, b]), pair: [a, b] }
}

/** Who signed both. Throws `CONFIG` for evidence that the contract would refuse, with what is wrong with it. */
function signerOf(desk: ChainDesk, what: string, [a, b]: Pair): Account {
  const wrong = (why: string): CairnError =>
    new CairnError('CONFIG', { what, why, fix: 'two different roots by one signer for one net, asset, epoch, attempt and set prove it' })
  const { chainId, addresses } = desk.access.view
  const slots = [a, b].map(({ message: m }) => [m.net, m.asset, m.epoch, m.attempt, m.setId].join(' '))
  if (slots[0] !== slots[1]) throw wrong('the roots are for different slots')
  const [one, two] = [a, b].map(({ message: m, signature }) => {
    const hash = rootMessageHash(desk.crypto, chainId, m.setId === 0 ? addresses.publisher : addresses.quorum, m)
    const recovered = desk.crypto.secp256k1.recover(hash, bytesOf(signature))
    return { hash: toHex(hash), signer: recovered === null ? null : account(`0x${toHex(recovered)}`) }
  })
  if (one?.hash === two?.hash) throw wrong('both roots say the same')
  if (one === undefined || one.signer === null || one.signer !== two?.signer) throw wrong('they are not signed by one key for this chain')
  return one.signer
}

const punishedFor = (rows: readonly PunishedSignerRow[], { signer, pair: [{ message: m }] }: Evidence): PunishedSignerRow | null =>
  rows.find((row) => row.signer === signer && row.epoch === m.epoch && row.attempt === m.attempt) ?? null

/** Lists what the verifiers of this folder kept, and what the chain took for it. */
export const list = (options: LookOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const rows = desk.access.view.punishedSigners(desk.network.id)
    const lines = (await kept(desk, place)).map((one) => {
      const { epoch: at, attempt, setId } = one.pair[0].message
      const punished = punishedFor(rows, one)
      return { verifier: one.signer, epoch: at, attempt, setId, slashed: punished?.slashed ?? null, signed: one.pair }
    })
    if (options.json) printJson(lines)
    else if (lines.length === 0) print('no verifier was seen to sign two roots for one slot')
    else {
      const cells = lines.map((one) => [
        one.verifier,
        String(one.epoch),
        String(one.attempt),
        one.slashed === null ? 'no: cairn verifier equivocation submit' : `${cairn(one.slashed)} CAIRN slashed`,
      ])
      print(table(['verifier', 'epoch', 'attempt', 'punished'], cells))
    }
    return 0
  })

/** Waits until the view has the chain's answer; what each of `wanted` lost. */
async function slashes(desk: ChainDesk, net: NetworkId, wanted: readonly Evidence[]) {
  for (let looks = 0; looks < VIEW_LOOKS; looks += 1) {
    const rows = desk.access.view.punishedSigners(net)
    const found = wanted.flatMap((one) => punishedFor(rows, one) ?? [])
    if (found.length === wanted.length) {
      const slashed = found.reduce((sum, row) => sum + row.slashed, 0n)
      return { facts: { slashed }, say: `slashed ${cairn(slashed)} CAIRN of ${[...new Set(found.map((row) => row.signer))].join(', ')}` }
    }
    await desk.access.view.advanced(500)
  }
  return { facts: {}, say: 'submitted; see `cairn verifier equivocation list`' }
}
const VIEW_LOOKS = 20

/** Has verifiers judged that signed two roots for one slot: those of a file, or all that this folder's verifiers kept. */
export const submit = (file: string | null, options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const evidence = file === null ? await kept(desk, place) : [await fromFile(desk, file)]
    const open = evidence.filter((one) => punishedFor(desk.access.view.punishedSigners(one.pair[0].message.net), one) === null)
    const [first] = open
    if (first === undefined) {
      if (options.json) printJson({ evidence: evidence.length, punished: evidence.length > 0 })
      else print(evidence.length === 0 ? 'no verifier was seen to sign two roots for one slot' : 'all of it is punished already')
      return 1
    }
    const signer = await openActor(desk, place, options.as)
    const steps = open.map(
      ({ pair: [a, b] }): Step => ({
        what: `submitting both roots of epoch ${a.message.epoch}`,
        call: 'disputes.submitRootEquivocation',
        // Somebody else was first, or the stake that answers for it may be gone.
        ...(open.length > 1 ? { unless: ['AlreadyPunished', 'TooOld'] } : {}),
        send: (o) => submitRootEquivocation(signer, { a, b }, o),
      }),
    )
    const verifiers = [...new Set(open.map((one) => one.signer))]
    const deed = {
      question: `Submit ${open.length} pair(s) of roots that ${verifiers.join(', ')} signed for one slot each? Its stake is slashed.`,
      facts: { verifiers, reporter: signer.account, pairs: open.length },
      steps,
      after: () => slashes(desk, first.pair[0].message.net, open),
    }
    return carryOut(deed, options)
  })
