/** The contracts as a deterministic model in virtual time, behind the same interfaces as the real chain. */
export { type AssetLedger, createFakeChain, type FakeChain, type FakeChainConfig, type FakeChainOptions } from './chain.ts'
