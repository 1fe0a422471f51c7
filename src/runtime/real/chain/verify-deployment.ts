/**
 * Whether what is on chain is what we build, with the parameters of its file, and whether nobody kept a power over it.
 * Everything is recomputed from the committed artifacts; what the endpoint answers is believed.
 */
import { encodeFunctionData, type Hex, toEventSelector } from 'viem'
import { z } from 'zod'
import { deploymentAbi } from '../../../protocol/abi/deployment.ts'
import { escrowAbi } from '../../../protocol/abi/escrow.ts'
import { passkeyAccountsAbi } from '../../../protocol/abi/passkey-accounts.ts'
import { CairnError } from '../../../protocol/errors.ts'
import { type Account, type Address, address, digest } from '../../../protocol/ids.ts'
import { type Artifact, readArtifact } from './artifacts.ts'
import type { Codes } from './constructions.ts'
import { decodeRevert } from './contracts.ts'
import { isSealed } from './deploy.ts'
import { type AddressBook, DEPLOYED, type DeployedName, factoryAddress, nameBytes, predict } from './deployment-addresses.ts'
import type { Deployment } from './deployment-file.ts'
import { type DeploymentParams, parseDeploymentParams } from './deployment-params.ts'
import { addressesOf, type Build, factoryInitOf, firstBlock, genesisOf, madeOf, readBuild, releaseOf } from './deployment-plan.ts'
import { type Finding, getter, powers, settings } from './deployment-settings.ts'
import type { Rpc } from './rpc.ts'

export interface Verified {
  readonly findings: readonly Finding[]
  /** Whether nothing is `bad`. */
  readonly ok: boolean
}

const LOCATED = toEventSelector('Deployed(bytes32,address)')
/** Public endpoints refuse wider questions. */
const LOG_BLOCKS = 1_000n
/** A deployment takes a few blocks; one that was interrupted for days is still found. */
const LOG_SPANS = 200

/**
 * Checks a deployment, one finding for each thing that was looked at.
 * @throws `CHAIN_AWAY`, `CONFIG` when the file does not say who deployed it with which parameters.
 */
export async function verifyDeployment(
  rpc: Rpc,
  deployment: Deployment,
  onStep: (what: string) => void = () => undefined,
): Promise<Verified> {
  const { made: by, factory } = deployment
  if (by === undefined) {
    const why = 'it does not say by whom and with which parameters it was made'
    throw new CairnError('CONFIG', { what: 'the deployment file', why, fix: 'take the one that `cairn chain deploy` or `cairn up` wrote' })
  }
  const params = parseDeploymentParams(by.params, 'the parameters in the deployment file')
  const release = digest(deployment.release)
  onStep('reading the code')
  const [build, chainId, first] = await Promise.all([readBuild(params), rpc.chainId(), firstBlock(rpc)])
  if (chainId !== deployment.chainId || first.hash !== deployment.chain) {
    const says = `the endpoint is on chain ${chainId}, the deployment on ${deployment.chainId}${chainId === deployment.chainId ? ' with another first block' : ''}`
    return whole([{ check: 'chain', is: 'bad', says, fix: 'give the endpoint of the deployment’s chain with --rpc' }])
  }
  const at = predict(factory, by.deployer, release)
  const constructed = madeOf(build, at, { params, deployer: by.deployer, genesis: genesisOf(params, first) })
  const identity = identify(deployment, build, params, by.deployer, at)
  const codes = await Promise.all(DEPLOYED.map((name) => codeOf(rpc, name, at[name], build.contracts[name])))
  onStep('reading how the contracts were created')
  const created = await creations(rpc, deployment, constructed)
  onStep('reading the parameters')
  return whole([
    { check: 'chain', is: 'ok', says: `${chainId}, first block ${first.hash.slice(0, 10)}…` },
    ...identity,
    await codeOf(rpc, 'Deployment', factory, build.factory),
    ...(await sealing(rpc, factory)),
    ...codes,
    ...(await within(rpc, at)),
    ...created,
    ...(await settings(rpc, at, params, by.deployer, genesisOf(params, first))),
    ...(await powers(rpc, at, params, by.deployer)),
  ])
}

const whole = (findings: readonly Finding[]): Verified => ({ findings, ok: findings.every((one) => one.is !== 'bad') })

const OTHER_VERSION = 'check out the version that was deployed; otherwise do not use these contracts'

function identify(deployment: Deployment, build: Build, params: DeploymentParams, deployer: Account, at: AddressBook): readonly Finding[] {
  const { chain, factory } = deployment
  const release = digest(deployment.release)
  const named = releaseOf(chain, params, build) === release
  const placed = factoryAddress(factoryInitOf(build, deployer, release)) === factory
  const listed = Object.entries(addressesOf(at)).filter(([name, where]) => where !== Reflect.get(deployment.addresses, name))
  return [
    named
      ? { check: 'release', is: 'ok', says: `${release.slice(0, 10)}… is this code with these parameters` }
      : { check: 'release', is: 'bad', says: 'another version of the code, or other parameters, were deployed', fix: OTHER_VERSION },
    placed
      ? { check: 'factory address', is: 'ok', says: `${factory} follows from our code and the deployer` }
      : { check: 'factory address', is: 'bad', says: `${factory} is not where our factory would be`, fix: OTHER_VERSION },
    listed.length === 0
      ? { check: 'addresses', is: 'ok', says: 'all follow from the factory' }
      : { check: 'addresses', is: 'bad', says: `not the factory’s: ${listed.map(([name]) => name).join(', ')}`, fix: 'correct the file' },
  ]
}

/** Compares what lies at `where` with what the compiler made, but for the immutables. */
async function codeOf(rpc: Rpc, name: string, where: Address, artifact: Artifact): Promise<Finding> {
  const check = `code of ${name}`
  const code = await rpc.code(where)
  if (code === '0x') return { check, is: 'bad', says: `nothing is at ${where}`, fix: 'finish with the same `cairn chain deploy`' }
  return masked(code, artifact) === masked(artifact.runtime, artifact)
    ? { check, is: 'ok', says: `${code.length / 2 - 1} bytes at ${where}` }
    : { check, is: 'bad', says: `other code at ${where}`, fix: OTHER_VERSION }
}

function masked(code: Hex, { immutables }: Artifact): string {
  let rest = code.slice(2)
  for (const { start, length } of immutables)
    rest = `${rest.slice(0, 2 * start)}${'0'.repeat(2 * length)}${rest.slice(2 * (start + length))}`
  return rest
}

/** Contracts that others make in their constructors, and that no file lists. */
async function within(rpc: Rpc, at: AddressBook): Promise<readonly Finding[]> {
  const made = [
    ['EscrowChecks', await getter(rpc, at.Escrow, escrowAbi, 'CHECKS')],
    ['PasskeyAccount', await getter(rpc, at.PasskeyAccounts, passkeyAccountsAbi, 'IMPLEMENTATION')],
  ] as const
  return Promise.all(
    made.map(async ([name, where]): Promise<Finding> => {
      if (typeof where !== 'string')
        return { check: `code of ${name}`, is: 'bad', says: 'its maker does not say where it is', fix: OTHER_VERSION }
      return codeOf(rpc, name, address(where.toLowerCase()), await readArtifact(name))
    }),
  )
}

async function sealing(rpc: Rpc, factory: Address): Promise<readonly Finding[]> {
  const data = encodeFunctionData({ abi: deploymentAbi, functionName: 'check' })
  const [sealed, answer] = await Promise.all([isSealed(rpc, factory), rpc.call(factory, factory, data, 'latest')])
  const checked: Finding =
    typeof answer === 'string'
      ? { check: 'pointers', is: 'ok', says: 'Deployment.check passes: every contract is there and knows its peers' }
      : { check: 'pointers', is: 'bad', says: `Deployment.check: ${decodeRevert(answer.data, answer.why).error}`, fix: OTHER_VERSION }
  return [
    sealed
      ? { check: 'sealed', is: 'ok', says: 'nobody can add a contract any more' }
      : { check: 'sealed', is: 'bad', says: 'its deployer has not given it up', fix: 'finish with the same `cairn chain deploy`' },
    checked,
  ]
}

const logsType = z.array(z.object({ topics: z.array(z.string()), transactionHash: z.string() })).max(1_000)
const transactionType = z.object({ to: z.string().nullable(), input: z.string() })

/**
 * The factory creates each name once, so the transaction that did it holds the creation code and its arguments: from
 * them follow the immutables, which the comparison of code leaves out, and the storage that a constructor wrote.
 */
async function creations(rpc: Rpc, deployment: Deployment, made: Codes): Promise<readonly Finding[]> {
  const transactions = await creators(rpc, deployment)
  return Promise.all(
    DEPLOYED.map(async (name): Promise<Finding> => {
      const check = `creation of ${name}`
      const hash = transactions.get(name)
      const transaction =
        hash === undefined ? null : transactionType.nullable().parse(await rpc.request('eth_getTransactionByHash', [hash]))
      if (transaction === null) {
        const fix = 'ask an endpoint that keeps old transactions; the parameters below are read from the contracts themselves'
        return { check, is: 'warning', says: 'the endpoint does not know its transaction any more', fix }
      }
      const wanted = encodeFunctionData({ abi: deploymentAbi, functionName: 'deploy', args: [nameBytes(name), made[name]] })
      if (transaction.to?.toLowerCase() === deployment.factory && transaction.input === wanted)
        return { check, is: 'ok', says: 'with our code and the file’s parameters' }
      return { check, is: 'bad', says: `transaction ${hash} made it of other code or with other parameters`, fix: OTHER_VERSION }
    }),
  )
}

async function creators(rpc: Rpc, { factory, fromBlock }: Deployment): Promise<Map<DeployedName, string>> {
  const latest = await rpc.blockNumber()
  const found = new Map<DeployedName, string>()
  const names = new Map(DEPLOYED.map((name) => [nameBytes(name), name]))
  let from = fromBlock
  for (let span = 0; span < LOG_SPANS && from <= latest && found.size < DEPLOYED.length; span += 1) {
    const to = from + LOG_BLOCKS - 1n < latest ? from + LOG_BLOCKS - 1n : latest
    const filter = { address: factory, fromBlock: `0x${from.toString(16)}`, toBlock: `0x${to.toString(16)}`, topics: [LOCATED] }
    for (const { topics, transactionHash } of logsType.parse(await rpc.request('eth_getLogs', [filter]))) {
      const name = [...names].find(([bytes]) => bytes === topics[1])?.[1]
      if (name !== undefined) found.set(name, transactionHash)
    }
    from = to + 1n
  }
  return found
}
