/** Nouns and verbs of the command line beside `up` and `run`, a file for each noun. Each loads its own code when it is called. */
import type { Command } from 'commander'
import { addSessions } from './commands/account.ts'
import { addChain } from './commands/chain.ts'
import { addCredits } from './commands/credits.ts'
import { addEmissions } from './commands/emissions.ts'
import { addEpochs } from './commands/epoch.ts'
import { addGovern } from './commands/govern.ts'
import { addJudges } from './commands/judge.ts'
import { addMarket } from './commands/market.ts'
import { addNetwork } from './commands/network.ts'
import { addNode } from './commands/node.ts'
import { addStake } from './commands/stake.ts'
import { addStorage } from './commands/storage.ts'
import { addWallet } from './commands/wallet.ts'

export function addCommands(program: Command): void {
  addSessions(program)
  addEpochs(program)
  addStorage(program)
  addNode(program)
  addNetwork(program)
  addStake(program)
  addEmissions(program)
  addGovern(program)
  addCredits(program)
  addChain(program)
  addJudges(program)
  addMarket(program)
  addWallet(program)
}
