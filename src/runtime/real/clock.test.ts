import { clockContract } from '../clock.contract.ts'
import { createClock } from './clock.ts'

clockContract("the machine's clock", createClock(), (work) => work())
