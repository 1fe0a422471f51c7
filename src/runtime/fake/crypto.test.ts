import { cryptoContract } from '../crypto.contract.ts'
import { portableCrypto } from './crypto.ts'

cryptoContract('the portable code', portableCrypto)
