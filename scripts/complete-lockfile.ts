/**
 * Adds to package-lock.json the packages of other platforms that a registry did not offer when the lock file was made.
 * npm leaves them out then, and `npm ci` refuses a lock file that lacks any optional dependency, even one for a machine
 * that it does not run on. An added entry says for which platform it is, so that npm skips it everywhere else.
 * With `--check` nothing is written and the exit code is 1 when an entry is missing.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Locked {
  version?: string
  optional?: boolean
  dev?: boolean
  cpu?: readonly string[]
  os?: readonly string[]
  libc?: readonly string[]
  optionalDependencies?: Readonly<Record<string, string>>
}

const OS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const CPU: Readonly<Record<string, string>> = { amd64: 'x64', x64: 'x64', arm64: 'arm64', arm: 'arm', ia32: 'ia32' }
const OTHER_CPU = ['ppc64', 'riscv64', 's390x', 'loong64', 'mips64el']

/** The platform that a package's name ends in, e.g. `@biomejs/cli-linux-x64-musl`; null when it names none. */
function platformOf(name: string): Pick<Locked, 'cpu' | 'os' | 'libc'> | null {
  const words = name.split('/').at(-1)?.split('-') ?? []
  const os = words.find((word) => OS.includes(word))
  const cpu = words.map((word) => CPU[word] ?? OTHER_CPU.find((other) => other === word)).find((word) => word !== undefined)
  if (os === undefined || cpu === undefined) return null
  const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : words.some((word) => word.startsWith('gnu')) ? 'glibc' : null
  return { cpu: [cpu], os: [os], ...(libc === null ? {} : { libc: [libc] }) }
}

const path = join(fileURLToPath(new URL('..', import.meta.url)), 'package-lock.json')
const lock: { packages: Record<string, Locked> } = JSON.parse(readFileSync(path, 'utf8'))
const added: string[] = []
for (const holder of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(holder.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`
    if (place in lock.packages || !/^\d/.test(version)) continue
    const platform = platformOf(name)
    if (platform === null) continue
    lock.packages[place] = { version, ...platform, ...(holder.dev === true ? { dev: true } : {}), optional: true }
    added.push(name)
  }
}

if (process.argv.includes('--check')) {
  if (added.length > 0) process.stderr.write(`package-lock.json lacks ${added.join(', ')}; run scripts/complete-lockfile.ts\n`)
  process.exitCode = added.length > 0 ? 1 : 0
} else if (added.length > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
  process.stdout.write(`added ${added.length} packages of other platforms to package-lock.json\n`)
}
