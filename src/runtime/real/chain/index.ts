/** The real chain: a supervised anvil or any RPC endpoint, an index of confirmed events, and signers that do not lose. */
export { type Anvil, type AnvilOptions, DEV_MNEMONIC, LOCAL_CHAIN_ID, startAnvil } from './anvil.ts'
export { encodeCall } from './contracts.ts'
export { type Deployment, type DeploymentConfig, deployContracts, loadDeployment, parseDeployment, saveDeployment } from './deploy.ts'
export { type Indexer, type IndexerOptions, startIndexer } from './indexer.ts'
export { createRpc, type Rpc } from './rpc.ts'
export { createSigner } from './signer.ts'
export { type Intent, openTxQueue, type TxQueue, type TxQueueOptions } from './tx-queue.ts'
