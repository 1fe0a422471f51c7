import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Account, account, address, type PeerId } from '../protocol/ids.ts'
import type { ChainView } from '../runtime/chain.ts'
import { createFakeClock, createFakeNetwork, createFakeRuntime, createInlineCompute, portableCrypto } from '../runtime/fake/index.ts'
import { createNative } from '../runtime/real/compute/native.ts'
import { toHex, utf8 } from '../std/bytes.ts'
import { createPrng } from '../std/prng.ts'
import { giveTickets, openTicketDesk } from './tickets.ts'

const crypto = portableCrypto
const keyOf = (name: string) => {
  const secret = crypto.sha256(utf8(name))
  return { secret, account: account(toHex(crypto.secp256k1.address(secret))) }
}
const [CUSTOMER, SESSION, THIEF] = [keyOf('customer'), keyOf('session'), keyOf('thief')]
const VERIFIER = '12D3KooWVerifier' as PeerId

/** A verifier's desk, and gateways that may give. */
function stage() {
  const clock = createFakeClock()
  const prng = createPrng(1n)
  const runtime = createFakeRuntime({ prng, compute: createInlineCompute(createNative()), clock, crypto })
  const hub = createFakeNetwork({ clock, random: { bytes: prng.bytes, below: prng.below } })
  const network = hub.join(VERIFIER)
  const isSession = (of: Account, key: string): boolean => of === CUSTOMER.account && key === address(SESSION.account)
  const chain = { sessionActive: isSession } as unknown as ChainView
  const ask = openTicketDesk({ network, clock, crypto, chain })
  const stop = new AbortController()
  const wished: string[] = []
  const give = (name: string, payer: Account, sessionKey: Uint8Array): void => {
    const own = hub.join(name as PeerId, { listens: false })
    own.know(VERIFIER, network.addresses)
    const grant = (wish: Uint8Array): Uint8Array | null => {
      wished.push(new TextDecoder().decode(wish))
      return wish[0] === 0 ? null : Uint8Array.of(...wish, 1)
    }
    void giveTickets({ rt: { ...runtime, clock, network: own }, payer, sessionKey, verifiers: [VERIFIER], grant }, stop.signal)
  }
  const wish = (payer: Account, ...wishes: readonly Uint8Array[]) => clock.run(() => ask(payer, wishes, new AbortController().signal))
  return { give, wish, wished, stop, clock }
}

describe('tickets', () => {
  test('come from the gateway of their customer, each for its wish, and nothing where it will not', async () => {
    const { give, wish, stop } = stage()
    give('12D3KooWGateway', CUSTOMER.account, SESSION.secret)
    const got = await wish(CUSTOMER.account, Uint8Array.of(7), Uint8Array.of(0), Uint8Array.of(9))
    assert.deepEqual(got, [Uint8Array.of(7, 1), null, Uint8Array.of(9, 1)])
    stop.abort()
  })

  test('are not waited for long when nobody gives them', async () => {
    const { wish, stop, clock } = stage()
    assert.deepEqual(await wish(CUSTOMER.account, Uint8Array.of(7)), [null])
    assert.ok(clock.monotonic() <= 10_500)
    stop.abort()
  })

  test('are wished of their customer only: another key learns nothing, and another customer gives nothing', async () => {
    const { give, wish, wished, stop } = stage()
    give('12D3KooWThief', CUSTOMER.account, THIEF.secret)
    give('12D3KooWOther', THIEF.account, THIEF.secret)
    assert.deepEqual(await wish(CUSTOMER.account, Uint8Array.of(7)), [null])
    assert.deepEqual(wished, [])
    stop.abort()
  })

  test('of more wishes than one exchange carries all come', async () => {
    const { give, wish, stop } = stage()
    give('12D3KooWGateway', CUSTOMER.account, SESSION.secret)
    const got = await wish(CUSTOMER.account, ...Array.from({ length: 600 }, (_, i) => Uint8Array.of(1 + (i % 255))))
    assert.ok(got.every((ticket) => ticket !== null))
    stop.abort()
  })
})
