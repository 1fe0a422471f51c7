// Generated from contracts/emissions/GovernedWeights.sol by scripts/build-contracts.ts; do not edit.
export const governedWeightsAbi = [
  {"type":"constructor","inputs":[{"name":"authority","type":"address"},{"name":"escrow","type":"address"}],"stateMutability":"nonpayable"},
  {"type":"error","name":"CheckpointUnorderedInsertion","inputs":[]},
  {"type":"error","name":"LengthsDiffer","inputs":[{"name":"nets","type":"uint256"},{"name":"shares","type":"uint256"}]},
  {"type":"error","name":"NotAuthority","inputs":[{"name":"caller","type":"address"}]},
  {"type":"error","name":"ShareTooHigh","inputs":[{"name":"net","type":"uint32"},{"name":"bps","type":"uint16"}]},
  {"type":"error","name":"SumTooHigh","inputs":[{"name":"sum","type":"uint256"}]},
  {"type":"error","name":"ZeroAddress","inputs":[]},
  {"type":"event","name":"ShareSet","inputs":[{"name":"net","type":"uint32","indexed":true},{"name":"bps","type":"uint16","indexed":false},{"name":"fromPeriod","type":"uint32","indexed":false}],"anonymous":false},
  {"type":"function","name":"ALL_BPS","inputs":[],"outputs":[{"name":"","type":"uint16"}],"stateMutability":"view"},
  {"type":"function","name":"AUTHORITY","inputs":[],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"},
  {"type":"function","name":"ESCROW","inputs":[],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"},
  {"type":"function","name":"MAX_SHARE_BPS","inputs":[],"outputs":[{"name":"","type":"uint16"}],"stateMutability":"view"},
  {"type":"function","name":"set","inputs":[{"name":"nets","type":"uint32[]"},{"name":"shares","type":"uint16[]"}],"outputs":[],"stateMutability":"nonpayable"},
  {"type":"function","name":"shareOf","inputs":[{"name":"net","type":"uint32"},{"name":"period","type":"uint32"}],"outputs":[{"name":"bps","type":"uint16"}],"stateMutability":"view"},
  {"type":"function","name":"total","inputs":[],"outputs":[{"name":"","type":"uint256"}],"stateMutability":"view"},
] as const
