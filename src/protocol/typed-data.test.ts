import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashTypedData } from 'viem'
import { createCrypto } from '../runtime/real/crypto.ts'
import { toHex } from '../std/bytes.ts'
import type { Hex } from './ids.ts'
import * as typed from './typed-data.ts'

const crypto = createCrypto()

const STRUCTS: readonly typed.TypedStruct[] = [
  typed.VOUCHER,
  typed.RATE,
  typed.ROOT,
  typed.REGISTER,
  typed.QUOTE,
  typed.PERMIT,
  typed.RECEIVE_WITH_AUTHORIZATION,
  typed.EXECUTE,
  typed.PASSKEY_MESSAGE,
  typed.SET_HEAD,
  typed.RECEIPT,
  typed.STORAGE_ORDER,
]

const hex = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value): Hex => `0x${toHex(value)}`)

function anyOf(kind: typed.StaticType): fc.Arbitrary<Hex | bigint> {
  if (kind === 'address') return hex(20)
  if (kind === 'bytes32') return hex(32)
  return fc.bigInt(0n, (1n << BigInt(kind.slice('uint'.length))) - 1n)
}

const domain = fc
  .record({ chainId: fc.integer({ min: 1, max: 2 ** 31 }), contract: hex(20) })
  .chain(({ chainId, contract }) =>
    fc.constantFrom(
      typed.storageDomain(chainId),
      typed.headDomain(chainId),
      typed.escrowDomain(chainId, contract),
      typed.rootDomain(chainId, contract),
      typed.registryDomain(chainId, contract),
      typed.receiptDomain(chainId, contract),
      typed.marketDomain(chainId, contract),
      typed.tokenDomain(chainId, 'token', contract),
      typed.tokenDomain(chainId, 'credits', contract),
      typed.passkeyDomain(chainId, contract),
    ),
  )

test('every struct is hashed as another implementation of EIP-712 does', () => {
  for (const struct of STRUCTS) {
    const message = fc.record(Object.fromEntries(struct.members.map(([name, kind]) => [name, anyOf(kind)])))
    fc.assert(
      fc.property(domain, message, (of, value) => {
        const ours = typed.typedDataHash(crypto, typed.domainSeparator(crypto, of), struct, value)
        const types = { [struct.name]: struct.members.map(([name, type]) => ({ name, type })) }
        assert.equal(`0x${toHex(ours)}`, hashTypedData({ domain: { ...of }, types, primaryType: struct.name, message: value }))
      }),
      { numRuns: 8 },
    )
  }
})
