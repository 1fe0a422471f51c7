/** `cairn status`: the daemons of a folder in one table. */
import { type AnyStatus, askAll } from './daemons.ts'
import { bytes, type Exit, print, printJson, table } from './output.ts'
import { findPlace } from './place.ts'

/** Ends with 1 when something that belongs here does not serve. */
export async function showStatus(options: { data?: string; json: boolean }): Promise<Exit> {
  const daemons = await askAll(await findPlace(options.data))
  const serving = daemons.every(({ status }) => status?.ready === true)
  if (options.json) printJson({ serving, daemons: daemons.map(({ name, status }) => ({ name, status })) })
  else {
    const rows = daemons.map(({ name, status }) => [
      name,
      status === null ? 'not running' : status.ready ? 'serving' : status.reasons.join('; '),
      status === null ? '' : String(status.pid),
      status === null ? '' : inShort(status),
    ])
    print(table(['daemon', 'state', 'process', ''], rows))
  }
  return serving ? 0 : 1
}

function inShort(status: AnyStatus): string {
  switch (status.role) {
    case 'node':
      return `${status.pieces} pieces, ${bytes(status.usedBytes)} used, ${bytes(status.freeBytes)} free`
    case 'gateway':
      return `${status.objects} objects, ${bytes(status.bytes)} in ${status.buckets} buckets; ${status.s3}`
    case 'verifier': {
      const last = status.epochs[0]
      return last === undefined ? 'no epoch yet' : `epoch ${last.epoch}: ${last.state}`
    }
  }
}
