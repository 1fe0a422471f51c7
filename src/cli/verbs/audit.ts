/** `cairn audit <epoch>`: recomputes an epoch's payouts from published evidence and compares them with the chain. */
import { CairnError } from '../../protocol/errors.ts'
import { epoch as epochOf, networkId } from '../../protocol/ids.ts'
import type { Kind, Resource } from '../../resources/resource.ts'
import { storage } from '../../resources/storage/index.ts'
import { type AuditOutcome, audit } from '../../roles/auditor/index.ts'
import { epochTimes } from '../../roles/verifier/index.ts'
import { openChainDesk } from './desk.ts'
import { openEvidence } from './evidence.ts'
import { cairn, type Exit, print, printJson } from './output.ts'
import { findPlace } from './place.ts'

export async function auditEpoch(epoch: number, options: { data?: string; json: boolean; remote: boolean }): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  const files = openEvidence(desk, place, { remote: options.remote })
  try {
    const net = networkId(place.net)
    const roots = desk.access.view.roots(net)
    const root = roots.find((row) => row.epoch === epoch)
    if (root === undefined) {
      const all =
        roots.length === 0
          ? 'none is published yet'
          : `published are ${roots
              .slice(-8)
              .map((row) => row.epoch)
              .join(', ')}`
      throw new CairnError('NOT_FOUND', { what: 'root of epoch', id: `${epoch}: ${all}` })
    }
    const outcome = await audit({
      crypto: desk.crypto,
      // Every resource is a Resource of some kind; an audit needs to know no more of it.
      resource: storage as unknown as Resource<Kind>,
      net,
      root,
      roots,
      stateOf: (at) => desk.access.asOf(epochTimes(desk.network.epochSeconds, epochOf(at)).cutoff),
      read: files.read,
    })
    if (options.json) printJson(outcome)
    else say(outcome)
    return outcome.equal ? 0 : 1
  } finally {
    await files.close()
    await desk.close()
  }
}

function say(outcome: AuditOutcome): void {
  if (outcome.equal) {
    print(`epoch ${outcome.epoch}: equal`)
    print(`  root     ${outcome.root}`)
    print(`  total    ${cairn(outcome.total)} CAIRN to all operators since the beginning`)
    print(`  from     ${outcome.bundles} bundle(s) about ${outcome.subjects} device(s), every proof verified again`)
    return
  }
  print(`epoch ${outcome.epoch}: DIFFERENT, first in: ${outcome.differs}`)
  print(`  where       ${outcome.where}`)
  print(`  published   ${outcome.published}`)
  print(`  recomputed  ${outcome.recomputed}`)
}
