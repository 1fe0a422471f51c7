/**
 * An account's keys from one mnemonic: wallets by BIP-32/39/44, so that any wallet program finds the same ones, and
 * the storage root by HKDF beside them, so that neither can be computed from the other.
 */
import { HDKey } from '@scure/bip32'
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { assert, present } from '../std/assert.ts'
import { toHex, utf8 } from '../std/bytes.ts'
import type { Crypto } from './crypto.ts'
import { CairnError } from './errors.ts'
import { type Account, account } from './ids.ts'

/** 24 words: as strong as the 32-byte keys that come from them. */
const ENTROPY_BYTES = 32
/** BIP-44 reserves the upper half of the indices. */
const INDEX_MAX = 2 ** 31 - 1

export interface WalletKey {
  readonly account: Account
  /** 32-byte secp256k1 key. */
  readonly secret: Uint8Array
}

/** Everything an account derives from its mnemonic. Hold it as briefly as possible. */
export interface AccountKeys {
  /** `m/44'/60'/0'/0/index`, as wallets number Ethereum accounts. */
  wallet(index: number): WalletKey
  /** 32 bytes from which bucket keys come. The same for all wallets of the mnemonic. */
  readonly storageRoot: Uint8Array
}

/** A new mnemonic of 24 words from 32 random bytes. */
export function mnemonicOf(entropy: Uint8Array): string {
  assert(entropy.length === ENTROPY_BYTES, `a mnemonic is made of ${ENTROPY_BYTES} bytes`)
  return entropyToMnemonic(entropy, wordlist)
}

/** The words in the one form that counts: people paste line breaks, double spaces and capitals. */
const normal = (mnemonic: string): string => mnemonic.trim().toLowerCase().split(/\s+/).join(' ')

/** Derives the keys. Throws `MALFORMED` for words that are not a BIP-39 mnemonic; the message never holds the words. */
export function deriveKeys(crypto: Crypto, mnemonic: string): AccountKeys {
  const words = normal(mnemonic)
  if (!validateMnemonic(words, wordlist)) {
    throw new CairnError('MALFORMED', { what: 'the mnemonic', why: 'a word is not in the list, or the checksum does not match' })
  }
  const seed = mnemonicToSeedSync(words)
  const branch = HDKey.fromMasterSeed(seed).derive("m/44'/60'/0'/0")
  return {
    wallet(index) {
      assert(Number.isInteger(index) && index >= 0 && index <= INDEX_MAX, 'a wallet index is 0 … 2^31 − 1')
      const secret = present(branch.deriveChild(index).privateKey, 'a key derived from a private key is private')
      return { account: account(toHex(crypto.secp256k1.address(secret))), secret }
    },
    storageRoot: crypto.hkdf(seed, new Uint8Array(0), utf8('cairn/storage/root/1'), 32),
  }
}
