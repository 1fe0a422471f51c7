/**
 * The same Solidity tests on a second EVM: EDR, the engine of Hardhat, runs what forge compiled. Two engines that agree
 * on every test, and on every recorded use of gas, leave little room for a mistake of one of them.
 * `node scripts/test-edr.ts [PATTERN]` runs the test files whose path contains PATTERN. Exit code 1 when something failed.
 */
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type Artifact,
  type ArtifactId,
  EdrContext,
  FsAccessPermission,
  GENERIC_CHAIN_TYPE,
  l1SolidityTestRunnerFactory,
  type SolidityTestRunnerConfigArgs,
  type SuiteResult,
  type TestResult,
} from '@nomicfoundation/edr'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** forge fuzzes at length; the second engine is there to disagree, for which a few runs of everything do. */
const FUZZ_RUNS = 64
const INVARIANT_RUNS = 4
const INVARIANT_DEPTH = 16
const MS_MAX = 5 * 60_000

interface ForgeArtifact {
  readonly abi: readonly { readonly type: string; readonly name?: string }[]
  readonly bytecode: { readonly object: string; readonly linkReferences?: Artifact['contract']['linkReferences'] }
  readonly deployedBytecode: { readonly object: string; readonly linkReferences?: Artifact['contract']['linkReferences'] }
  readonly metadata?: {
    readonly compiler: { readonly version: string }
    readonly settings: { readonly compilationTarget: Record<string, string> }
  }
}

/** What forge compiled; it does so now when a source has changed. */
function compiled(): { readonly artifacts: Artifact[]; readonly suites: ArtifactId[] } {
  execFileSync(join(root, 'scripts/forge'), ['build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const artifacts: Artifact[] = []
  const suites: ArtifactId[] = []
  for (const path of globSync('out/*.sol/*.json', { cwd: root }).sort()) {
    const from: ForgeArtifact = JSON.parse(readFileSync(join(root, path), 'utf8'))
    const [target] = Object.entries(from.metadata?.settings.compilationTarget ?? {})
    if (target === undefined || from.metadata === undefined) continue
    const [source, name] = target
    const id = { name, source, solcVersion: from.metadata.compiler.version.split('+')[0] ?? '' }
    const contract = {
      abi: JSON.stringify(from.abi),
      bytecode: from.bytecode.object,
      linkReferences: from.bytecode.linkReferences ?? {},
      deployedBytecode: from.deployedBytecode.object,
      deployedLinkReferences: from.deployedBytecode.linkReferences ?? {},
    }
    artifacts.push({ id, contract })
    const tests = from.abi.some((item) => item.type === 'function' && /^(test|invariant)/.test(item.name ?? ''))
    if (tests && source.endsWith('.t.sol') && from.bytecode.object !== '0x') suites.push(id)
  }
  return { artifacts, suites }
}

const config: SolidityTestRunnerConfigArgs = {
  projectRoot: root,
  hardfork: 'osaka',
  isolate: true,
  // As forge has it: a test contract makes a whole set of contracts in one call.
  disableTransactionGasCap: true,
  disableBlockGasLimit: true,
  fsPermissions: [{ path: join(root, 'contracts/test'), access: FsAccessPermission.ReadDirectory }],
  fuzz: { runs: FUZZ_RUNS },
  invariant: { runs: INVARIANT_RUNS, depth: INVARIANT_DEPTH, failOnRevert: true },
}

/** Recorded gas that differs from what forge recorded in `snapshots/`. */
function gasDifferences(results: readonly TestResult[]): string[] {
  const differences: string[] = []
  for (const { name: group, entries } of results.flatMap((one) => one.valueSnapshotGroups ?? [])) {
    const recorded: Record<string, string> = JSON.parse(readFileSync(join(root, `snapshots/${group}.json`), 'utf8'))
    for (const { name, value } of entries)
      if (recorded[name] !== value) differences.push(`${group}, ${name}: ${value} gas, ${recorded[name]} on the other engine`)
  }
  return differences
}

async function main(pattern: string): Promise<number> {
  const { artifacts, suites } = compiled()
  const chosen = suites.filter(({ source }) => source.includes(pattern))
  const context = new EdrContext()
  await context.registerSolidityTestRunnerFactory(GENERIC_CHAIN_TYPE, l1SolidityTestRunnerFactory())
  const failures: string[] = []
  let passed = 0
  let recorded = 0
  const see = ({ id, testResults }: SuiteResult): void => {
    for (const one of testResults) {
      if (one.status === 'Success') passed += 1
      else failures.push(`${id.name}.${one.name}: ${one.status} ${one.reason ?? ''}`)
      recorded += (one.valueSnapshotGroups ?? []).reduce((sum, group) => sum + group.entries.length, 0)
    }
    failures.push(...gasDifferences(testResults))
  }
  const began = performance.now()
  await context.runSolidityTests(GENERIC_CHAIN_TYPE, artifacts, chosen, config, {}, see)
  for (const failure of failures) process.stdout.write(`FAILED ${failure}\n`)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const gas = `${recorded} uses of gas compared`
  process.stdout.write(`EDR: ${chosen.length} suites, ${passed} tests passed, ${failures.length} failures, ${gas}, ${seconds} s\n`)
  return failures.length > 0 || passed === 0 ? 1 : 0
}

// A runner that hangs in native code holds no promise back, so the process ends by itself.
setTimeout(() => process.exit(1), MS_MAX).unref()
process.exitCode = await main(process.argv[2] ?? '')
