import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Address, account, digest, epoch, networkId } from '../../protocol/ids.ts'
import { peerIdOf } from '../../protocol/peer-id.ts'
import { rootSetOf } from '../../protocol/roots.ts'
import { createFakeClock, createFakeDisk, createFakeNetwork, createFakeRandom } from '../../runtime/fake/index.ts'
import { createCrypto, openDatabase } from '../../runtime/real/index.ts'
import { present } from '../../std/assert.ts'
import { toHex } from '../../std/bytes.ts'
import { createPrng } from '../../std/prng.ts'
import { openBook, type SignedContent } from './book.ts'
import { askRootSignature, serveRootSignatures } from './root-signatures.ts'
import { quorumHash, witness } from './witness.ts'

const crypto = createCrypto()
const lines: string[] = []
const say = (message: string): void => void lines.push(message)
const log = { error: say, warn: say, info: say, debug: say, child: () => log }
const NET = networkId(2)
const keys = Array.from({ length: 5 }, (_, i) => {
  const secret = crypto.sha256(Uint8Array.of(i))
  return { secret, account: account(`0x${toHex(crypto.secp256k1.address(secret))}`) }
})
const [liar, stranger] = [present(keys[3], 'a member'), present(keys[4], 'nobody of the set')]
const quorum = `0x${'77'.repeat(20)}` as Address
const chain = { chainId: 31_337, addresses: { quorum } } as never
const rt = { crypto, log, chain }

const slot = { epoch: epoch(5), attempt: 0, setId: 2900 }
const set = rootSetOf(
  slot.setId,
  keys.slice(0, 4).map(({ account: member }) => ({ account: member, weight: 10n })),
)
const word = (byte: string) => digest(`0x${byte.repeat(32)}`)
const message = { net: NET, asset: quorum, ...slot, root: word('aa'), total: 5n, dataHash: word('dd') }
const of = { slot, set, message }

function signed(by: (typeof keys)[number], root: string): SignedContent {
  const content = { root: word(root), total: 5n, dataHash: word('dd') }
  return { ...content, signature: crypto.secp256k1.sign(by.secret, quorumHash(rt, { ...message, ...content })) }
}

const openAnother = () => openBook(openDatabase(':memory:'), createFakeDisk({ prng: createPrng(1n) }))

test('a verifier that shows one root to one and another to the next is known to both once they have compared', async () => {
  const clock = createFakeClock()
  const hub = createFakeNetwork({ clock, random: createFakeRandom(createPrng(2n)) })
  const join = (index: number) => hub.join(peerIdOf(new Uint8Array(32).fill(index)))
  const networks = { liar: join(1), one: join(2), two: join(3) }
  for (const from of Object.values(networks)) for (const to of Object.values(networks)) from.know(to.self, to.addresses)
  const books = { one: openAnother(), two: openAnother() }
  let asked = 0
  serveRootSignatures(networks.liar, NET, () => ({ signed: signed(liar, asked++ % 2 === 0 ? 'aa' : 'bb'), seen: [] }))
  for (const name of ['one', 'two'] as const) {
    const book = books[name]
    serveRootSignatures(networks[name], NET, (at) => ({
      signed: null,
      seen: book.seen(at).map(({ root, total, dataHash, signature }) => ({ root, total, dataHash, signature })),
    }))
  }
  const ask = async (who: 'one' | 'two', whom: keyof typeof networks) => {
    const answer = await clock.run(() => askRootSignature({ network: networks[who], clock }, networks[whom].self, NET, slot))
    const contents = answer.signed === null ? answer.seen : [answer.signed, ...answer.seen]
    return witness({ rt, book: books[who] }, contents, of).map(({ content, isNew }) => [content.root, isNew])
  }
  assert.deepEqual(await ask('one', 'liar'), [[word('aa'), true]])
  assert.deepEqual(await ask('two', 'liar'), [[word('bb'), true]])
  assert.deepEqual([books.one.equivocations(9), books.two.equivocations(9)], [[], []], 'neither knows yet')
  assert.deepEqual(await ask('one', 'two'), [[word('bb'), true]])
  assert.deepEqual(await ask('two', 'one'), [[word('aa'), true]])
  for (const { equivocations } of [books.one, books.two]) {
    const [found] = equivocations(9)
    assert.deepEqual([found?.slot, found?.signer], [slot, liar.account])
    assert.deepEqual(new Set(found?.contents.map(({ root }) => root)), new Set([word('aa'), word('bb')]))
  }
  assert.deepEqual(lines, Array(2).fill('a verifier signed two roots for one slot; its stake answers for it'))
})

test('what nobody of the set signed is kept by nobody, and a third content adds nothing', () => {
  const book = openAnother()
  assert.deepEqual(witness({ rt, book }, [signed(stranger, 'aa'), { ...signed(liar, 'aa'), signature: new Uint8Array(65) }], of), [])
  assert.deepEqual(book.seen(slot), [])
  const contents = ['aa', 'bb', 'cc'].map((root) => signed(liar, root))
  assert.deepEqual(
    witness({ rt, book }, contents, of).map(({ isNew }) => isNew),
    [true, true, false],
  )
  assert.deepEqual(
    book.seen(slot).map(({ root }) => root),
    [word('aa'), word('bb')],
  )
  assert.deepEqual(witness({ rt, book }, contents.slice(0, 2), of), [], 'what is known costs nothing again')
  book.dropSigned(epoch(6))
  assert.deepEqual([book.seen(slot), book.equivocations(9)], [[], []])
})
