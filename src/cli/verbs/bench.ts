/** `cairn bench`: the measurements of bench/, each a program of its own. The launcher runs them itself; this is the way without it. */
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Exit, print } from './output.ts'

const FOLDER = fileURLToPath(new URL('../../../bench/', import.meta.url))

/** Runs one measurement with its own options, or names them all. */
export async function bench(name: string | undefined, args: readonly string[]): Promise<Exit> {
  const names = (await readdir(FOLDER)).flatMap((file) => (file.endsWith('.ts') ? [file.slice(0, -'.ts'.length)] : [])).sort()
  if (name === undefined || !names.includes(name)) {
    if (name !== undefined) process.stderr.write(`there is no measurement ${name}; there are:\n`)
    print(names.join('\n'))
    return name === undefined ? 0 : 2
  }
  const child = spawn(process.execPath, [`${FOLDER}${name}.ts`, ...args], { stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code === 0 || code === 1 ? code : 2))
  })
}
