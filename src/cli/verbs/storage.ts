/** `cairn storage stat`: how an object's pieces are. */
import { CairnError } from '../../protocol/errors.ts'
import { inspectObject, type ObjectHealth } from '../../resources/storage/gateway.ts'
import { gatewayConfig, readConfig } from '../config.ts'
import { openBackend } from './backend.ts'
import { openChainDesk } from './desk.ts'
import { bytes, type Exit, print, printJson, table } from './output.ts'
import { findPlace, gatewayOf } from './place.ts'

/** Every provider is asked at once, each within the protocol's own deadlines. */
const STAT_MS = 60_000

export function parseUri(uri: string): { readonly bucket: string; readonly key: string } {
  const parts = /^s3:\/\/([^/]+)\/(.+)$/s.exec(uri)
  if (parts === null) throw new CairnError('CONFIG', { what: uri, why: 'it names no object', fix: 'write it as s3://bucket/key' })
  return { bucket: parts[1] ?? '', key: parts[2] ?? '' }
}

/** Ends with 1 when a segment has too few pieces to be read. */
export async function statObject(uri: string, options: { data?: string; json: boolean }): Promise<Exit> {
  const { bucket, key } = parseUri(uri)
  const place = await findPlace(options.data)
  const folder = gatewayOf(place)
  const config = await readConfig(folder, gatewayConfig)
  const desk = await openChainDesk(place)
  // The gateway's own peer identity is in use by the gateway.
  const backend = await openBackend(desk, folder, { ...config, transportKey: desk.random.bytes(32) })
  try {
    const health = await inspectObject(backend.store, bucket, key, AbortSignal.timeout(STAT_MS))
    if (health === null) throw new CairnError('NOT_FOUND', { what: 'object', id: uri })
    if (options.json) printJson(health)
    else printHealth(health)
    return health.segments.some((segment) => segment.alive < segment.k) ? 1 : 0
  } finally {
    await backend.close()
    await desk.close()
  }
}

function printHealth(health: ObjectHealth): void {
  const { k, ack, repairBelow, n } = health.redundancy
  print(
    `s3://${health.bucket}/${health.key}: ${bytes(health.size)}, ${health.inline ? 'kept in the metadata log' : `${health.segments.length} segment(s)`}`,
  )
  print(`any ${k} of ${n} pieces give it back; acknowledged at ${ack}, repaired below ${repairBelow}`)
  for (const [i, segment] of health.segments.entries()) {
    const word = segment.alive < segment.k ? 'LOST' : segment.alive < repairBelow ? 'to be repaired' : 'healthy'
    print()
    print(`segment ${i}: ${bytes(segment.plainBytes)}, ${segment.alive} alive, ${segment.lost} lost, ${segment.missing} missing: ${word}`)
    const rows = segment.pieces.map((piece) => [
      String(piece.shard),
      piece.state,
      piece.device === null ? '–' : `${piece.device.slice(0, 10)}…`,
      piece.operator ?? '–',
      piece.why,
    ])
    print(table(['piece', 'state', 'device', 'operator', ''], rows))
  }
}
