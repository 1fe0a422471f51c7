/** `cairn network describe`: the one file by which outsiders join. */
import { writeFile } from 'node:fs/promises'
import { CairnError } from '../../protocol/errors.ts'
import { loadDeployment } from '../../runtime/real/chain/index.ts'
import { encodeDescriptor } from './descriptor.ts'
import { type Exit, print } from './output.ts'
import { findPlace } from './place.ts'

export async function describeNetwork(options: { data?: string; out?: string; rpc?: string }): Promise<Exit> {
  const place = await findPlace(options.data)
  const deployment = await loadDeployment(place.deployment)
  if (deployment === null)
    throw new CairnError('CONFIG', { what: place.deployment, why: 'there is no deployment file', fix: 'run `cairn up` on it' })
  const chain = { rpc: options.rpc ?? place.rpc, chainId: deployment.chainId }
  const text = encodeDescriptor({ chain, net: place.net, deployment, verifiers: [...place.verifiers] })
  if (options.out === undefined) process.stdout.write(text)
  else {
    await writeFile(options.out, text)
    print(options.out)
  }
  return 0
}
