/** Keys below an account's storage root, and how a part's random key is wrapped under its bucket's. */

import type { Crypto } from '../../../protocol/crypto.ts'
import { CairnError } from '../../../protocol/errors.ts'
import type { Random } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import { concat, utf8 } from '../../../std/bytes.ts'

const NONCE = 12
const NO_NONCE = new Uint8Array(NONCE)

export interface Keyring {
  bucket(name: string): Uint8Array
  /** Seals the metadata log and snapshots. */
  readonly log: Uint8Array
  /** Names the log's pieces; not secret from providers, not linkable to the account without the root. */
  readonly logName: Uint8Array
}

/** Derives by HKDF (RFC 5869) and keeps what it derived; buckets are few. */
export function createKeyring(crypto: Crypto, storageRoot: Uint8Array): Keyring {
  const derive = (label: string, name: string): Uint8Array => crypto.hkdf(storageRoot, utf8(`cairn ${label} 1`), utf8(name), 32)
  const buckets = new Map<string, Uint8Array>()
  return {
    bucket(name) {
      const known = buckets.get(name)
      if (known !== undefined) return known
      const key = derive('bucket', name)
      buckets.set(name, key)
      return key
    },
    log: derive('log', ''),
    logName: derive('log name', ''),
  }
}

/** nonce ‖ ciphertext ‖ tag: 60 bytes for a 32-byte key. The part id is authenticated, so wrapped keys cannot be swapped. */
export function wrapKey(crypto: Crypto, random: Random, bucketKey: Uint8Array, partId: Uint8Array, key: Uint8Array): Uint8Array {
  const nonce = random.bytes(NONCE)
  return concat([nonce, crypto.seal(bucketKey, nonce, partId, key)])
}

export function unwrapKey(crypto: Crypto, bucketKey: Uint8Array, partId: Uint8Array, wrapped: Uint8Array): Uint8Array {
  const key = crypto.open(bucketKey, wrapped.subarray(0, NONCE), partId, wrapped.subarray(NONCE))
  if (key === null) throw new CairnError('CORRUPT', { what: 'a wrapped key', why: 'it does not open under its bucket key' })
  return key
}

/** A small object sealed whole: its key is random, so the nonce may be constant. */
export function sealInline(crypto: Crypto, key: Uint8Array, partId: Uint8Array, plain: Uint8Array): Uint8Array {
  assert(key.length === 32, 'an AES-256 key')
  return crypto.seal(key, NO_NONCE, partId, plain)
}

export function openInline(crypto: Crypto, key: Uint8Array, partId: Uint8Array, sealed: Uint8Array): Uint8Array {
  const plain = crypto.open(key, NO_NONCE, partId, sealed)
  if (plain === null) throw new CairnError('CORRUPT', { what: 'a small object', why: 'it does not authenticate' })
  return plain
}
