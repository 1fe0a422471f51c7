/** `cairn chain verify`: whether the contracts on chain are what we build, with the parameters of their file. */
import { CairnError } from '../../protocol/errors.ts'
import { createRpc, loadDeployment } from '../../runtime/real/chain/index.ts'
import { verifyDeployment } from '../../runtime/real/chain/verify-deployment.ts'
import { borrowChain } from './local-network.ts'
import { type Exit, print, printJson, progress, table } from './output.ts'
import { findPlace } from './place.ts'

export interface VerifyOptions {
  readonly data?: string
  readonly rpc?: string
  /** What `cairn chain deploy` wrote; the folder's without it. */
  readonly deployment?: string
  readonly json: boolean
}

/**
 * Ends with 1 when something is not as it must be. In the folder of a local network that is stopped, its chain is started
 * from a copy for as long as it takes. Throws CONFIG without a deployment or an endpoint, CHAIN_AWAY.
 */
export async function verifyChain(options: VerifyOptions): Promise<Exit> {
  const place = options.deployment !== undefined && options.rpc !== undefined ? null : await findPlace(options.data)
  const file = options.deployment ?? place?.deployment ?? ''
  const deployment = await loadDeployment(file)
  if (deployment === null) {
    throw new CairnError('CONFIG', {
      what: file,
      why: 'there is no deployment file',
      fix: 'name what `cairn chain deploy` wrote with --deployment',
    })
  }
  const bar = progress(options.json)
  const local = options.rpc === undefined ? (place?.plan ?? null) : null
  const copy = place === null || local === null ? null : await borrowChain(place.folder, local)
  const rpc = createRpc(options.rpc ?? copy?.url ?? place?.rpc ?? '')
  bar.step(`checking ${file} ${copy === null ? `at ${rpc.url}` : 'on a copy of its chain, as `cairn up` does not run'}`)
  const { findings, ok } = await verifyDeployment(rpc, deployment, bar.step).finally(() => copy?.stop())
  bar.done()
  if (options.json) {
    printJson({ ok, release: deployment.release, factory: deployment.factory, findings })
    return ok ? 0 : 1
  }
  const rows = findings.map(({ check, is, says }) => [check, is, says])
  print(table(['check', '', ''], rows))
  for (const { check, is, fix } of findings) if (is !== 'ok' && fix !== undefined) print(`${check}: ${fix}`)
  const bad = findings.filter((one) => one.is === 'bad').length
  print(ok ? `${findings.length} checks: the contracts are what this version builds` : `${bad} of ${findings.length} checks failed`)
  return ok ? 0 : 1
}
