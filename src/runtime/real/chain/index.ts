/** The real chain: a supervised anvil or any RPC endpoint, an index of confirmed events, and signers that do not lose. */
export { type Anvil, type AnvilOptions, DEV_MNEMONIC, LOCAL_CHAIN_ID, startAnvil } from './anvil.ts'
export { chainFiles } from './anvil-state.ts'
export { decodeRevert, describeCall, encodeCall, targetOf } from './contracts.ts'
// What deploys is imported from deploy.ts, so that a daemon does not load it.
export { type Deployment, loadDeployment, parseDeployment, saveDeployment } from './deployment-file.ts'
export { type Indexer, type IndexerOptions, startIndexer } from './indexer.ts'
export { type ContractReader, createReader } from './read.ts'
export { createRpc, type Rpc } from './rpc.ts'
export { createSigner } from './signer.ts'
export { type Intent, openTxQueue, type TxQueue, type TxQueueOptions } from './tx-queue.ts'
