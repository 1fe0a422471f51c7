/** `cairn device receipt` and `cairn device equivocation submit`: what a device signs, and what it may never sign twice. */
import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { deviceIdOf, verifyDevice } from '../../protocol/device-signature.ts'
import { CairnError } from '../../protocol/errors.ts'
import { bytesOf, deviceId, digest, digestOf, type Hex, networkId } from '../../protocol/ids.ts'
import { wire } from '../../protocol/schema.ts'
import { openReceiptSigner, receiptHasher } from '../../resources/receipts.ts'
import { revokePunished, type Signed, submitEquivocation } from '../../runtime/actions/disputes.ts'
import type { DeviceReceipt } from '../../runtime/chain-judges.ts'
import { openDisk } from '../../runtime/real/index.ts'
import { toHex } from '../../std/bytes.ts'
import { claim } from '../claim.ts'
import { nodeConfig, readConfig } from '../config.ts'
import { openActor } from './actor.ts'
import type { ChainDesk } from './desk.ts'
import { nodesOf } from './node.ts'
import { cairn, type Exit, print, printJson } from './output.ts'
import { atDesk, carryOut, type LookOptions, type SignOptions, type Step } from './send.ts'

const FILE_MAX = 64 << 20
const RECEIPTS_FILE_MAX = 16 << 10

const hash32 = z.string().regex(/^0x[0-9a-f]{64}$/)
const receiptType = z.object({
  receipt: z.object({
    net: wire.uint(2 ** 32 - 1),
    deviceId: hash32,
    boot: hash32,
    sequence: z.string().regex(/^\d{1,20}$/),
    timestamp: wire.uint(2 ** 40 - 1),
    contentHash: hash32,
  }),
  signature: z.string().regex(/^0x([0-9a-f]{128}|[0-9a-f]{130})$/),
})

/** Signs for the SHA-256 of a file under the node's next number, which no crash lets it use again. */
export const signReceipt = (file: string, options: LookOptions & { readonly node: number }): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const bytes = (await stat(file).catch(() => null))?.size ?? FILE_MAX + 1
    if (bytes > FILE_MAX)
      throw new CairnError('CONFIG', { what: file, why: 'it is no file, or too large', fix: 'name a file of up to 64 MiB' })
    const content = digestOf(desk.crypto.sha256(await readFile(file)))
    const [folder = ''] = nodesOf(place, place.plan === null ? undefined : options.node)
    const { deviceKey } = await readConfig(folder, nodeConfig)
    const own = join(folder, 'device')
    await mkdir(own, { recursive: true })
    const only = await claim(join(own, 'cli.pid'))
    if (only.is === 'held') {
      const why = `process ${only.pid} signs for this device`
      throw new CairnError('DATA_FOLDER', { path: own, why, fix: 'wait until it has ended' })
    }
    try {
      const { crypto, clock, random } = desk
      const id = deviceIdOf(crypto, `0x${toHex(crypto.secp256k1.address(deviceKey))}`)
      const signer = await openReceiptSigner({
        clock,
        crypto,
        random,
        disk: await openDisk(own),
        chainId: desk.access.view.chainId,
        disputes: desk.access.view.addresses.disputes,
        net: desk.network.id,
        device: { id, sign: (hash) => crypto.secp256k1.sign(deviceKey, hash) },
      })
      const { receipt, signature } = await signer.sign(content)
      const signed = { receipt, signature: `0x${toHex(signature)}` }
      if (options.json) printJson(signed)
      else {
        print(`device     ${id}`)
        print(`boot       ${receipt.boot}`)
        print(`sequence   ${receipt.sequence}`)
        print(`content    ${content}`)
        print(`signature  ${signed.signature}`)
      }
      return 0
    } finally {
      await only.release()
    }
  })

/** Two receipts as `cairn device receipt --json` prints them, in one JSON array. */
async function readReceipts(path: string): Promise<readonly [Signed<DeviceReceipt>, Signed<DeviceReceipt>]> {
  const fix = 'put two receipts of `cairn device receipt --json` into one JSON array'
  const size = (await stat(path).catch(() => null))?.size ?? null
  if (size === null) throw new CairnError('CONFIG', { what: path, why: 'there is no such file', fix })
  try {
    const parsed = z.tuple([receiptType, receiptType]).parse(JSON.parse(size > RECEIPTS_FILE_MAX ? '' : await readFile(path, 'utf8')))
    const [a, b] = parsed.map(({ receipt: { boot, contentHash, sequence, timestamp, ...of }, signature }) => ({
      message: {
        net: networkId(of.net),
        deviceId: deviceId(of.deviceId),
        boot: digest(boot),
        sequence: BigInt(sequence),
        timestamp,
        contentHash: digest(contentHash),
      },
      signature: `0x${signature.slice(2)}` as const,
    }))
    if (a !== undefined && b !== undefined) return [a, b]
  } catch {
    // Whatever it is: it is not what was asked for.
  }
  throw new CairnError('CONFIG', { what: path, why: 'it does not hold two receipts', fix })
}

/** Throws `CONFIG` for evidence that the contract would refuse, with what is wrong with it. */
function checkEvidence(desk: ChainDesk, path: string, signer: Hex, [a, b]: readonly [Signed<DeviceReceipt>, Signed<DeviceReceipt>]): void {
  const wrong = (why: string, fix: string): CairnError => new CairnError('CONFIG', { what: path, why, fix })
  const { view } = desk.access
  const [one, two] = [a.message, b.message]
  const same = one.net === two.net && one.deviceId === two.deviceId && one.boot === two.boot && one.sequence === two.sequence
  if (!same) throw wrong('the receipts are of different devices, boots or numbers', 'two of one device under one number exclude each other')
  if (one.timestamp === two.timestamp && one.contentHash === two.contentHash)
    throw wrong('both say the same', 'only receipts that differ exclude each other')
  const hash = receiptHasher(desk.crypto, view.chainId, view.addresses.disputes)
  for (const { message, signature } of [a, b]) {
    if (verifyDevice(desk.crypto, signer, hash(message), bytesOf(signature))) continue
    throw wrong(`the receipt for ${message.contentHash} is not signed by the device for this chain`, 'check that it was not changed')
  }
}

/** Has a device judged that signed two receipts under one number, and ends it. */
export const submit = (file: string, options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const receipts = await readReceipts(file)
    const [a, b] = receipts
    const device = desk.access.view.device(a.message.deviceId)
    if (device === null) throw new CairnError('NOT_FOUND', { what: 'device', id: a.message.deviceId })
    checkEvidence(desk, file, device.signer, receipts)
    const signer = await openActor(desk, place, options.as)
    const prove: Step = {
      what: 'submitting the receipts',
      call: 'disputes.submitEquivocation',
      send: (o) => submitEquivocation(signer, { signer: device.signer, a, b }, o),
    }
    const revoke: Step = {
      what: 'revoking the device',
      call: 'devices.revokePunished',
      send: (o) => revokePunished(signer, { device: device.id }, o),
    }
    // A proof that somebody else brought may still wait for its consequence.
    const known = desk.access.view.punished(a.message.net).some((row) => row.device === device.id)
    const steps = [...(known ? [] : [prove]), ...(device.status === 'active' ? [revoke] : [])]
    if (steps.length === 0) {
      if (options.json) printJson({ device: device.id, punished: true, status: device.status })
      else print(`device ${device.id} is punished and ${device.status} already`)
      return 1
    }
    const deed = {
      question: `Submit two receipts of device ${device.id} of ${device.owner} under number ${a.message.sequence}? Its stake is slashed and the device ends.`,
      facts: { device: device.id, owner: device.owner, reporter: signer.account, sequence: a.message.sequence },
      steps,
      async after() {
        for (let looks = 0; looks < 20; looks += 1) {
          const row = desk.access.view.punished(a.message.net).find((one) => one.device === device.id)
          if (row !== undefined)
            return { facts: { slashed: row.slashed }, say: `slashed ${cairn(row.slashed)} CAIRN of ${row.accused}; the device is revoked` }
          await desk.access.view.advanced(500)
        }
        return { facts: {}, say: 'submitted; see `cairn dispute list`' }
      },
    }
    return carryOut(deed, options)
  })
