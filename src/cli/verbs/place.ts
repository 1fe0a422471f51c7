/** Where a verb works: the folder of a whole local network (`cairn up`), or that of one daemon. */
import { access, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { gatewayConfig, nodeConfig, readConfig, verifierConfig } from '../config.ts'
import { type Plan, readPlan, verifiersOf } from '../up/plan.ts'

export interface PeerAt {
  readonly peer: string
  /** Multiaddress such as `/ip4/127.0.0.1/tcp/4001`. */
  readonly address: string
}

export interface Place {
  readonly folder: string
  /** What a local network consists of; null for the folder of one daemon. */
  readonly plan: Plan | null
  readonly rpc: string
  readonly deployment: string
  readonly net: number
  readonly verifiers: readonly PeerAt[]
  /** Folders of the daemons that are here. */
  readonly gateway: string | null
  readonly verifier: string | null
  /** Of all verifiers that are here, `verifier` first. */
  readonly verifierFolders: readonly string[]
  readonly nodes: readonly string[]
}

/** XDG's place for data, unless `--data` names another. */
export const dataFolder = (data: string | undefined): string =>
  resolve(data ?? process.env['CAIRN_DATA'] ?? join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'cairn'))

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** Throws CONFIG when the folder is neither a network's nor a daemon's. */
export async function findPlace(data: string | undefined): Promise<Place> {
  const folder = dataFolder(data)
  const plan = await readPlan(folder)
  if (plan !== null) return networkPlace(folder, plan)
  const role = await roleOf(folder)
  if (role === null) {
    throw new CairnError('CONFIG', {
      what: folder,
      why: 'there is no network and no daemon in it',
      fix: 'run `cairn up`, or name the folder of one with --data',
    })
  }
  const none = { gateway: null, verifier: null, verifierFolders: [], nodes: [] }
  const type = { node: nodeConfig, gateway: gatewayConfig, verifier: verifierConfig }[role]
  const config = await readConfig(folder, type)
  const { rpc, deployment, net } = config
  const own = { node: { nodes: [folder] }, gateway: { gateway: folder }, verifier: { verifier: folder, verifierFolders: [folder] } }[role]
  return {
    folder,
    plan: null,
    rpc,
    deployment: resolve(folder, deployment),
    net,
    verifiers: 'verifiers' in config ? config.verifiers : [],
    ...none,
    ...own,
  }
}

async function networkPlace(folder: string, plan: Plan): Promise<Place> {
  if (plan.net === null) {
    throw new CairnError('CONFIG', { what: folder, why: 'the setup of its network has not finished', fix: 'run `cairn up` on it' })
  }
  const gateway = join(folder, 'gateway')
  const here = verifiersOf(plan).map((one) => join(folder, one.folder))
  const there = await Promise.all(here.map(exists))
  const verifierFolders = here.filter((_, i) => there[i])
  const { verifiers } = await knownTo(join(folder, 'nodes', '1'))
  return {
    folder,
    plan,
    rpc: `http://127.0.0.1:${plan.ports.chain}`,
    deployment: join(folder, 'deployment.json'),
    net: plan.net,
    verifiers,
    gateway,
    verifier: verifierFolders[0] ?? null,
    verifierFolders,
    nodes: plan.nodes.map((_, i) => join(folder, 'nodes', String(i + 1))),
  }
}

async function knownTo(node: string): Promise<{ verifiers: readonly PeerAt[] }> {
  return (await exists(join(node, 'config.json'))) ? readConfig(node, nodeConfig) : { verifiers: [] }
}

const anyRole = z.object({ role: z.enum(['node', 'gateway', 'verifier']) })

async function roleOf(folder: string): Promise<'node' | 'gateway' | 'verifier' | null> {
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => null)
  if (text === null) return null
  const parsed = anyRole.safeParse(JSON.parse(text))
  return parsed.success ? parsed.data.role : null
}

/** The folder of the gateway, or what to do without one. */
export function gatewayOf(place: Place): string {
  if (place.gateway !== null) return place.gateway
  throw new CairnError('CONFIG', { what: place.folder, why: 'there is no gateway in it', fix: 'name its folder with --data' })
}
