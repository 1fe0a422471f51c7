// Generated from contracts/Pointers.sol by scripts/build-contracts.ts; do not edit.
export const pointersAbi = [
  {"type":"constructor","inputs":[{"name":"delegations_","type":"address"}],"stateMutability":"nonpayable"},
  {"type":"error","name":"NotAllowed","inputs":[{"name":"account","type":"address"},{"name":"caller","type":"address"}]},
  {"type":"error","name":"StaleSequence","inputs":[{"name":"seq","type":"uint64"},{"name":"current","type":"uint64"}]},
  {"type":"event","name":"PointerSet","inputs":[{"name":"account","type":"address","indexed":true},{"name":"digest","type":"bytes32","indexed":false},{"name":"seq","type":"uint64","indexed":false},{"name":"extra","type":"bytes32","indexed":false},{"name":"by","type":"address","indexed":false}],"anonymous":false},
  {"type":"function","name":"delegations","inputs":[],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"},
  {"type":"function","name":"pointerOf","inputs":[{"name":"account","type":"address"}],"outputs":[{"name":"","type":"tuple","components":[{"name":"digest","type":"bytes32"},{"name":"extra","type":"bytes32"},{"name":"seq","type":"uint64"},{"name":"changedAt","type":"uint40"}]}],"stateMutability":"view"},
  {"type":"function","name":"set","inputs":[{"name":"account","type":"address"},{"name":"digest","type":"bytes32"},{"name":"seq","type":"uint64"},{"name":"extra","type":"bytes32"}],"outputs":[],"stateMutability":"nonpayable"},
] as const
