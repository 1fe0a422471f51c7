/** Published evidence as a verb finds it: in the verifier's folder when it is here, else at the network's verifiers. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../../protocol/ids.ts'
import { type Settlement, settlementSchema } from '../../resources/evidence.ts'
import { fetchAnyFile } from '../../resources/peers.ts'
import type { Network } from '../../runtime/index.ts'
import { type Bench, openPeers } from './desk.ts'
import type { Place } from './place.ts'

export interface EvidenceFiles {
  /** The bytes under a name whatever they hash to; null when nobody has any. */
  read(name: Digest): Promise<Uint8Array | null>
  /** A settlement; null when it is not to be had or is none. */
  settlement(name: Digest): Promise<Settlement | null>
  close(): Promise<void>
}

export function openEvidence(bench: Bench, place: Place, options: { readonly remote: boolean }): EvidenceFiles {
  let peers: ReturnType<typeof openPeers> | null = null
  let network: Network | null = null
  const local = async (name: Digest): Promise<Uint8Array | null> => {
    for (const folder of options.remote ? [] : place.verifierFolders) {
      const bytes = await readFile(join(folder, 'evidence', name.slice(2, 4), name.slice(2))).catch(() => null)
      if (bytes !== null) return bytes
    }
    return null
  }
  const read = async (name: Digest): Promise<Uint8Array | null> => {
    const here = await local(name)
    if (here !== null) return here
    peers ??= openPeers(bench, place)
    const asked = await peers
    network = asked.network
    return fetchAnyFile({ network, clock: bench.clock, crypto: bench.crypto }, asked.verifiers, name)
  }
  return {
    read,
    async settlement(name) {
      const bytes = await read(name)
      try {
        return bytes === null ? null : settlementSchema.decode(bytes)
      } catch {
        return null
      }
    },
    async close() {
      await network?.close()
    },
  }
}
