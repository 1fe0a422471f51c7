/**
 * Puts the native library of EDR where its package looks for it. npm leaves it out when npm itself runs on a Node older than
 * the library asks for, although the Node that loads it is the pinned one; so it is fetched here, at the version and with
 * the hash that the lock file has.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const SCOPE = '@nomicfoundation'
/** Forty megabytes from a slow registry. */
const FETCH_MS = 5 * 60_000

interface Locked {
  readonly version: string
  readonly integrity: string
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}

const isMusl = (): boolean => process.platform === 'linux' && existsSync('/lib/ld-musl-x86_64.so.1')

/** The package of this platform, from the lock file. */
function locked(): readonly [name: string, entry: Locked] {
  const { packages }: { packages: Record<string, Locked> } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const prefix = `node_modules/${SCOPE}/edr-`
  const libc = isMusl() ? 'musl' : 'glibc'
  const found = Object.entries(packages).find(
    ([path, { os = [], cpu = [], libc: of = [libc] }]) =>
      path.startsWith(prefix) && os.includes(process.platform) && cpu.includes(process.arch) && of.includes(libc),
  )
  if (found === undefined) throw new Error(`the lock file has no EDR for ${process.platform} on ${process.arch}`)
  return [found[0].slice('node_modules/'.length), found[1]]
}

function install(): void {
  const [name, { version, integrity }] = locked()
  const target = join(root, 'node_modules', name)
  if (existsSync(target)) return
  mkdirSync(dirname(target), { recursive: true })
  const work = mkdtempSync(join(dirname(target), '.edr-'))
  try {
    const options = { cwd: work, timeout: FETCH_MS, encoding: 'utf8' } as const
    const file = execFileSync('npm', ['pack', '--silent', `${name}@${version}`], options).trim()
    const hash = createHash('sha512')
      .update(readFileSync(join(work, file)))
      .digest('base64')
    if (`sha512-${hash}` !== integrity) throw new Error(`${name}@${version} is not what the lock file names`)
    execFileSync('tar', ['-xzf', file], options)
    renameSync(join(work, 'package'), target)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

install()
