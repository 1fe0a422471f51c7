import { decode, encode } from '@ipld/dag-cbor'
import { z } from 'zod'
import { present } from '../std/assert.ts'
import { fromHex, toHex } from '../std/bytes.ts'
import { CairnError } from './errors.ts'
import { account, address, deviceId, digest } from './ids.ts'
import { type Credits, credits } from './units.ts'

/** How one kind of message is written on the wire (canonical DAG-CBOR), and the only way in for untrusted bytes. */
export interface Schema<T> {
  readonly name: string
  readonly maxBytes: number
  encode(value: T): Uint8Array
  /** Throws `MALFORMED` or `LIMIT`. */
  decode(bytes: Uint8Array): T
}

/** A schema from a zod type. `maxBytes` bounds what is parsed at all, before anything is allocated for it. */
export function schema<T extends z.ZodType>(name: string, maxBytes: number, type: T): Schema<z.output<T>> {
  return {
    name,
    maxBytes,
    encode(value) {
      const bytes = encode(z.encode(type, value))
      if (bytes.length > maxBytes) throw new CairnError('LIMIT', { what: `${name} (${bytes.length} bytes)`, limit: maxBytes })
      return bytes
    },
    decode(bytes) {
      if (bytes.length > maxBytes) throw new CairnError('LIMIT', { what: `${name} (${bytes.length} bytes)`, limit: maxBytes })
      let raw: unknown
      try {
        raw = decode(bytes)
      } catch (cause) {
        throw new CairnError('MALFORMED', { what: name, why: 'not canonical DAG-CBOR' }, { cause })
      }
      const parsed = type.safeParse(raw)
      if (parsed.success) return parsed.data
      const first = parsed.error.issues[0]
      throw new CairnError('MALFORMED', { what: name, why: `${first?.path.join('.') ?? ''} ${first?.message ?? 'invalid'}`.trim() })
    },
  }
}

const raw = (min: number, max: number) =>
  z.custom<Uint8Array>((v) => v instanceof Uint8Array && v.length >= min && v.length <= max, `expected ${min} to ${max} bytes`)

const hexed = <T extends `0x${string}`>(length: number, make: (text: string) => T) =>
  z.codec(
    raw(length, length),
    z.custom<T>((v) => typeof v === 'string'),
    {
      decode: (bytes) => make(`0x${toHex(bytes)}`),
      encode: (text) => octets(text),
    },
  )

/** The bytes of `0x…`, whose form its type has checked. */
const octets = (text: string): Uint8Array => present(fromHex(text), 'ids are hexadecimal')

/** Big integers travel as minimal big-endian bytes, since DAG-CBOR's own integers end at 64 bits. */
const unsigned = (bits: number) =>
  z.codec(
    raw(0, bits / 8),
    z
      .bigint()
      .min(0n)
      .max((1n << BigInt(bits)) - 1n),
    {
      decode: (bytes) => {
        let value = 0n
        for (const byte of bytes) value = (value << 8n) | BigInt(byte)
        return value
      },
      encode: (value) => {
        const hex = value === 0n ? '' : value.toString(16)
        return octets(`0x${hex.length % 2 === 1 ? '0' : ''}${hex}`)
      },
    },
  )

/** The building blocks of wire types; each refuses what is out of its bounds. */
export const wire = {
  bytes: raw,
  /** A non-negative safe integer. */
  uint: (max: number = Number.MAX_SAFE_INTEGER) => z.number().int().min(0).max(max),
  text: (max: number) => z.string().max(max),
  bigint: unsigned,
  credits: z.codec(
    unsigned(128),
    z.custom<Credits>((v) => typeof v === 'bigint'),
    { decode: credits, encode: (v) => v },
  ),
  account: hexed(20, account),
  address: hexed(20, address),
  digest: hexed(32, digest),
  deviceId: hexed(32, deviceId),
  list: <T extends z.ZodType>(item: T, max: number) => z.array(item).max(max),
}
