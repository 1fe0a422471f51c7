import { utf8 } from '../../../../std/bytes.ts'
import { KEY_BYTES } from './limits.ts'

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const IPV4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/
const RESERVED_PREFIXES = ['xn--', 'sthree-', 'amzn-s3-demo-']
const RESERVED_SUFFIXES = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3']

/** S3 user guide, "General purpose bucket naming rules". */
export function isBucketName(name: string): boolean {
  if (!BUCKET.test(name) || name.includes('..') || IPV4.test(name)) return false
  return !RESERVED_PREFIXES.some((p) => name.startsWith(p)) && !RESERVED_SUFFIXES.some((s) => name.endsWith(s))
}

/** Any Unicode text of 1 … 1024 bytes is a key: `../`, `//`, `.` and control characters too. */
export function isKeyTooLong(key: string): boolean {
  // UTF-8 takes at most three bytes for each UTF-16 unit, so most keys need no encoding to be measured.
  return key.length * 3 > KEY_BYTES && utf8(key).length > KEY_BYTES
}
