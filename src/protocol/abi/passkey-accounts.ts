// Generated from contracts/accounts/PasskeyAccounts.sol by scripts/build-contracts.ts; do not edit.
export const passkeyAccountsAbi = [
  {"type":"constructor","inputs":[],"stateMutability":"nonpayable"},
  {"type":"error","name":"BadKey","inputs":[]},
  {"type":"error","name":"CloneArgumentsTooLong","inputs":[]},
  {"type":"error","name":"Create2EmptyBytecode","inputs":[]},
  {"type":"error","name":"FailedDeployment","inputs":[]},
  {"type":"error","name":"InsufficientBalance","inputs":[{"name":"balance","type":"uint256"},{"name":"needed","type":"uint256"}]},
  {"type":"event","name":"AccountCreated","inputs":[{"name":"account","type":"address","indexed":true},{"name":"x","type":"bytes32","indexed":false},{"name":"y","type":"bytes32","indexed":false},{"name":"rpIdHash","type":"bytes32","indexed":false}],"anonymous":false},
  {"type":"function","name":"IMPLEMENTATION","inputs":[],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"},
  {"type":"function","name":"addressOf","inputs":[{"name":"x","type":"bytes32"},{"name":"y","type":"bytes32"},{"name":"rpIdHash","type":"bytes32"}],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"},
  {"type":"function","name":"create","inputs":[{"name":"x","type":"bytes32"},{"name":"y","type":"bytes32"},{"name":"rpIdHash","type":"bytes32"}],"outputs":[{"name":"account","type":"address"}],"stateMutability":"nonpayable"},
] as const
