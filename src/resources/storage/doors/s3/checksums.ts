/** The additional checksums of S3 ("Checking object integrity"): header names, lengths, and what clients may ask for. */
import type { DigestKind } from '../../kernel/kernel.ts'
import { type Refusal, refuse } from './refusal.ts'

export type ChecksumKind = Exclude<DigestKind, 'md5'>

const BYTES: Readonly<Record<ChecksumKind, number>> = { crc32: 4, crc32c: 4, crc64nvme: 8, sha1: 20, sha256: 32 }
const KINDS: readonly ChecksumKind[] = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256']
const PREFIX = 'x-amz-checksum-'
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** `CRC64NVME` and so on, in any case; null when it is not one of S3's. */
export function checksumKind(name: string): ChecksumKind | null {
  const lower = name.toLowerCase()
  return KINDS.find((kind) => kind === lower) ?? null
}

/** The kind that a header or trailer `x-amz-checksum-…` carries, or null. */
export const checksumHeaderKind = (name: string): ChecksumKind | null =>
  name.startsWith(PREFIX) ? checksumKind(name.slice(PREFIX.length)) : null

/** Standard base64 of a few bytes. */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

/** Whether `text` is canonical base64 of exactly `length` bytes. */
export function isBase64Of(text: string, length: number): boolean {
  if (text.length !== 4 * Math.ceil(length / 3) || !BASE64.test(text)) return false
  // Unused bits must be zero, or two spellings of one checksum would exist.
  return btoa(atob(text)) === text && atob(text).length === length
}

export const isChecksum = (kind: ChecksumKind, text: string): boolean => isBase64Of(text, BYTES[kind])

export interface Checksum {
  readonly kind: ChecksumKind
  readonly value: string
}

/** The one x-amz-checksum-… header of a request, null when there is none. x-amz-checksum-algorithm, -type and -mode are not values. */
export function checksumHeader(headers: ReadonlyMap<string, string>): Checksum | null | Refusal {
  let found: Checksum | null = null
  for (const kind of KINDS) {
    const value = headers.get(PREFIX + kind)
    if (value === undefined) continue
    if (found !== null)
      return refuse('InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
    if (!isChecksum(kind, value)) return refuse('InvalidRequest', `Value for ${PREFIX}${kind} header is invalid.`)
    found = { kind, value }
  }
  return found
}

/** Response headers for the checksums that are kept with an object. */
export function checksumHeaders(
  checksums: Readonly<Partial<Record<DigestKind, string>>>,
  type: 'FULL_OBJECT' | 'COMPOSITE' | null,
): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const kind of KINDS) {
    const value = checksums[kind]
    if (value !== undefined) headers[PREFIX + kind] = value
  }
  if (type !== null && Object.keys(headers).length > 0) headers['x-amz-checksum-type'] = type
  return headers
}

/** XML elements for the same: ChecksumCRC32, ChecksumSHA256, … */
export function checksumElements(checksums: Readonly<Partial<Record<DigestKind, string>>>): [string, string][] {
  const elements: [string, string][] = []
  for (const kind of KINDS) {
    const value = checksums[kind]
    if (value !== undefined) elements.push([`Checksum${kind.toUpperCase()}`, value])
  }
  return elements
}

/** The checksums named in the elements of one part of CompleteMultipartUpload. */
export function elementChecksums(element: Readonly<Record<string, unknown>>): Partial<Record<ChecksumKind, string>> {
  const checksums: Partial<Record<ChecksumKind, string>> = {}
  for (const kind of KINDS) {
    const value = element[`Checksum${kind.toUpperCase()}`]
    if (typeof value === 'string') checksums[kind] = value
  }
  return checksums
}
