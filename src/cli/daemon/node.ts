/** `cairn run node`: sells this machine's disk. */

import { deviceIdOf } from '../../protocol/device-signature.ts'
import { account as accountOf, deviceId, type PeerId } from '../../protocol/ids.ts'
import { peerId } from '../../protocol/peer-id.ts'
import { createLeafHashing, DEFAULT_RATES, openStorageProvider } from '../../resources/storage/index.ts'
import { demandLoop, earnLoop } from '../../roles/node/index.ts'
import { createHttpServer } from '../../runtime/real/http.ts'
import { toHex } from '../../std/bytes.ts'
import { nodeConfig, readConfig } from '../config.ts'
import { startAdmin } from './admin.ts'
import { runDaemon } from './lifecycle.ts'
import { openWorld, untilKnown } from './world.ts'

const CHAIN_MS = 60_000

export async function nodeDaemon(folder: string): Promise<never> {
  const config = await readConfig(folder, nodeConfig)
  return runDaemon(async (life) => {
    const world = await openWorld({ folder, ...config, listen: { host: config.host, port: config.port } })
    const { crypto } = world
    const chain = world.access.view
    await untilKnown(world, 'reading the network from the chain', () => chain.network(world.net), CHAIN_MS, life.signal)
    const signer = world.access.signer(config.operatorKey)
    const id = deviceId(deviceIdOf(crypto, `0x${toHex(crypto.secp256k1.address(config.deviceKey))}`))
    const provider = await openStorageProvider({
      runtime: world,
      disk: world.disk,
      database: world.database,
      chain,
      network: world.network,
      net: world.net,
      device: { id, sign: (hash) => crypto.secp256k1.sign(config.deviceKey, hash) },
      operator: { account: accountOf(signer.account), sign: (hash) => crypto.secp256k1.sign(config.operatorKey, hash) },
      asset: chain.addresses.credits,
      rates: { kept: DEFAULT_RATES['byte-second'], served: DEFAULT_RATES['byte-served'] },
      quotaBytes: config.quotaBytes,
      reserveBytes: config.reserveBytes,
      leavesOf: createLeafHashing(world.compute.native),
      onFatal(error) {
        world.log.error('the disk is failing; the node stops', { why: String(error) })
        process.kill(process.pid, 'SIGTERM')
      },
    })
    const verifiers = config.verifiers.map((verifier): PeerId => {
      const peer = peerId(verifier.peer)
      world.network.know(peer, [verifier.address])
      return peer
    })
    const earning = earnLoop(
      {
        rt: { ...world, chain },
        net: world.net,
        operator: signer.account,
        signer,
        verifiers,
        promises: provider.promises,
        unredeemable: provider.unredeemable,
        settled: provider.settled,
        worth: config.worth,
        patienceEpochs: config.patienceEpochs,
      },
      life.signal,
    )
    const answering = demandLoop({ rt: { ...world, chain }, net: world.net, operator: signer.account, signer, provider }, life.signal)
    const admin = await startAdmin({
      folder,
      role: 'node',
      http: createHttpServer(world.log),
      port: config.adminPort,
      metrics: world.metrics,
      ready: () => (chain.degraded() ? ['the chain is away'] : []),
      status: async () => ({
        device: id,
        operator: signer.account,
        net: world.net,
        address: world.network.addresses[0] ?? '',
        ...(await provider.status()),
        vouchers: provider.promises().vouchers.map(({ voucher }) => ({ payer: voucher.payer, cumulative: voucher.cumulative })),
      }),
    })
    life.ready({ role: 'node', device: id, address: world.network.addresses[0] ?? '' })
    return async () => {
      await admin.close()
      await provider.drain(AbortSignal.timeout(DRAIN_MS))
      await provider.close()
      await Promise.all([earning, answering])
      await world.close()
    }
  })
}

/** Running exchanges get this long when the node is told to end. */
const DRAIN_MS = 2_000
