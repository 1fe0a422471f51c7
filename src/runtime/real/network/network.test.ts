import { createHash } from 'node:crypto'
import type { Log, Network } from '../../index.ts'
import { networkContract } from '../../network.contract.ts'
import { createClock } from '../clock.ts'
import { createCrypto } from '../crypto.ts'
import { parseAddress } from './address.ts'
import { createTlsNetwork } from './index.ts'

const quiet: Log = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }
const crypto = createCrypto()

networkContract('real', async () => {
  const clock = createClock()
  const open = new Set<Network>()
  return {
    clock,
    async node(name, at) {
      const listen = parseAddress(at?.addresses[0] ?? '') ?? { host: '127.0.0.1', port: 0 }
      const node = await createTlsNetwork({ identity: createHash('sha256').update(name).digest(), crypto, clock, log: quiet, listen })
      open.add(node)
      return node
    },
    crash: (node) => node.close(),
    async run(work) {
      try {
        await work()
      } finally {
        await Promise.all([...open].map((node) => node.close()))
      }
    },
  }
})
