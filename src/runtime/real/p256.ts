/**
 * ECDSA over P-256 on a given 32-byte hash, with OpenSSL's arithmetic. Node offers none: its `sign` and `verify` hash what
 * they are given. What it does offer is enough. Results equal those of the portable code (src/runtime/p256.ts), byte for
 * byte; docs/benchmarks.md has the times.
 */
import { createECDH, createPublicKey, verify } from 'node:crypto'
import type { SignatureScheme } from '../../protocol/crypto.ts'
import { assert } from '../../std/assert.ts'
import { bigEndian, concat, fromBigEndian } from '../../std/bytes.ts'
import { p256 as portable } from '../p256.ts'

/** Field, order and b of the curve (SEC 2 §2.4.2); a is −3. */
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn
const HALF_N = N / 2n
/** What stands before x‖y in a key's SubjectPublicKeyInfo (RFC 5480), the point uncompressed. */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex')
/** SHA-256 of nothing (FIPS 180-4): the one message that Node's `verify` is ever asked about here. */
const NOTHING = new Uint8Array(0)
const HASH_OF_NOTHING = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855n

const modulo = (value: bigint, by: bigint): bigint => {
  const rest = value % by
  return rest < 0n ? rest + by : rest
}

/** The inverse of a value that is not 0 modulo a prime, by the extended Euclidean algorithm. */
function inverse(value: bigint, prime: bigint): bigint {
  let [a, b] = [modulo(value, prime), prime]
  let [x, y] = [1n, 0n]
  while (a > 1n) {
    const quotient = b / a
    ;[a, b] = [b % a, a]
    ;[x, y] = [y - quotient * x, x]
  }
  return modulo(x, prime)
}

type Point = readonly [x: bigint, y: bigint]

const pointOf = (bytes: Uint8Array): Point => [fromBigEndian(bytes.subarray(0, 32)), fromBigEndian(bytes.subarray(32, 64))]
const isOnCurve = ([x, y]: Point): boolean => x < P && y < P && modulo(y * y - x * x * x + 3n * x - B, P) === 0n

/** k·G, with k in 1 … N − 1. The curve is made anew, so that none of our nonces stays in one. */
function timesG(k: bigint): Uint8Array {
  const curve = createECDH('prime256v1')
  curve.setPrivateKey(bigEndian(k, 32))
  return curve.getPublicKey().subarray(1)
}

/** The sum of two points with different x. */
function add([x1, y1]: Point, [x2, y2]: Point): Point {
  const slope = modulo((y2 - y1) * inverse(x2 - x1, P), P)
  const x = modulo(slope * slope - x1 - x2, P)
  return [x, modulo(slope * (x1 - x) - y1, P)]
}

/** RFC 6979 §3.2: nonces that follow from key and hash, in the order in which they are tried. */
function* nonces(hmac: (key: Uint8Array, data: Uint8Array) => Uint8Array, secret: Uint8Array, hash: Uint8Array): Generator<bigint> {
  const seed = concat([secret, bigEndian(modulo(fromBigEndian(hash), N), 32)])
  let v = new Uint8Array(32).fill(1)
  let k = new Uint8Array(32)
  for (const mark of [0, 1]) {
    k = Uint8Array.from(hmac(k, concat([v, Uint8Array.of(mark), seed])))
    v = Uint8Array.from(hmac(k, v))
  }
  for (;;) {
    v = Uint8Array.from(hmac(k, v))
    const nonce = fromBigEndian(v)
    if (nonce > 0n && nonce < N) yield nonce
    k = Uint8Array.from(hmac(k, concat([v, Uint8Array.of(0)])))
    v = Uint8Array.from(hmac(k, v))
  }
}

/**
 * Whether (r, s) signs `hash` under `key`, by asking Node about nothing under another key. A signature of z under Q holds
 * when x(z/s·G + r/s·Q) = r. With e the hash of nothing and Q' = Q + (z − e)/r·G,
 *   e/s·G + r/s·Q' = e/s·G + r/s·Q + (z − e)/s·G = z/s·G + r/s·Q,
 * so it is the same equation, and Node's answer for e under Q' is the answer for z under Q.
 */
function verifies(key: Uint8Array, hash: Uint8Array, signature: Uint8Array): boolean {
  const [r, s] = pointOf(signature)
  const own = pointOf(key)
  if (r === 0n || r >= N || s === 0n || s > HALF_N || !isOnCurve(own)) return false
  const factor = modulo((fromBigEndian(hash) - HASH_OF_NOTHING) * inverse(r, N), N)
  const shift = factor === 0n ? null : pointOf(timesG(factor))
  // Their sum is then a double or no point at all; only who chooses key and hash together gets here.
  if (shift !== null && shift[0] === own[0]) return portable.verify(key, hash, signature)
  const [x, y] = shift === null ? own : add(own, shift)
  const spki = Buffer.concat([SPKI_PREFIX, bigEndian(x, 32), bigEndian(y, 32)])
  const shifted = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return verify('sha256', NOTHING, { key: shifted, dsaEncoding: 'ieee-p1363' }, signature)
}

/** @param hmac HMAC-SHA-256. */
export function createP256(hmac: (key: Uint8Array, data: Uint8Array) => Uint8Array): SignatureScheme {
  return {
    publicKey: (secret) => Uint8Array.from(timesG(fromBigEndian(secret))),
    sign(secret, hash) {
      assert(secret.length === 32 && hash.length === 32, 'P-256 signs a 32-byte hash with a 32-byte key')
      const d = fromBigEndian(secret)
      for (const k of nonces(hmac, secret, hash)) {
        const r = modulo(fromBigEndian(timesG(k).subarray(0, 32)), N)
        const s = modulo((fromBigEndian(hash) + r * d) * inverse(k, N), N)
        if (r !== 0n && s !== 0n) return concat([bigEndian(r, 32), bigEndian(s > HALF_N ? N - s : s, 32)])
      }
      throw new Error('RFC 6979 never ends')
    },
    verify: (key, hash, signature) => key.length === 64 && hash.length === 32 && signature.length === 64 && verifies(key, hash, signature),
  }
}
