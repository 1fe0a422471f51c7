/** What an outsider needs to know of a network, in one file: its chain and contracts, who verifies it, where to begin. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { type Deployment, parseDeployment } from '../../runtime/real/chain/index.ts'

const FORMAT = 1
/** A descriptor names a few dozen peers at most. */
const BYTES_MAX = 64 * 1024
const FETCH_MS = 15_000

const descriptorType = z.object({
  format: z.literal(FORMAT),
  resource: z.literal('storage'),
  chain: z.object({ rpc: z.url(), chainId: z.number().int().positive() }),
  net: z.number().int().min(1),
  deployment: z.unknown(),
  verifiers: z.array(z.strictObject({ peer: z.string().max(100), address: z.string().max(255) })).max(64),
})

export interface Descriptor extends Omit<z.output<typeof descriptorType>, 'deployment'> {
  readonly deployment: Deployment
}

/** Throws MALFORMED with the field that is wrong. */
export function parseDescriptor(text: string): Descriptor {
  const malformed = (why: string): CairnError => new CairnError('MALFORMED', { what: 'the network’s descriptor', why })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw malformed('it is no JSON')
  }
  const parsed = descriptorType.safeParse(json)
  const issue = parsed.error?.issues[0]
  if (!parsed.success) throw malformed(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
  const deployment = parseDeployment(JSON.stringify(parsed.data.deployment))
  if (deployment.chainId !== parsed.data.chain.chainId) throw malformed('its contracts are on another chain')
  return { ...parsed.data, deployment }
}

/** From a file or an http(s) URL. */
export async function readDescriptor(from: string): Promise<Descriptor> {
  const bad = (why: string): CairnError =>
    new CairnError('CONFIG', { what: from, why, fix: 'name the file or URL that `cairn network describe` wrote' })
  let text: string
  if (/^https?:\/\//.test(from)) {
    const response = await fetch(from, { signal: AbortSignal.timeout(FETCH_MS) }).catch((error: unknown) => {
      throw bad(String(error))
    })
    if (!response.ok) throw bad(`it answers ${response.status}`)
    text = await response.text()
  } else {
    text = await readFile(from, 'utf8').catch(() => {
      throw bad('it cannot be read')
    })
  }
  if (text.length > BYTES_MAX) throw bad('it is too long')
  return parseDescriptor(text)
}

export function encodeDescriptor(of: Omit<Descriptor, 'format' | 'resource'>): string {
  const { chain, net, deployment, verifiers } = of
  const plain = { ...deployment, fromBlock: deployment.fromBlock.toString() }
  return `${JSON.stringify({ format: FORMAT, resource: 'storage', chain, net, verifiers, deployment: plain }, null, 2)}\n`
}
