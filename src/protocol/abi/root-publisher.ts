// Generated from contracts/RootPublisher.sol by scripts/build-contracts.ts; do not edit.
export const rootPublisherAbi = [
  {"type":"constructor","inputs":[{"name":"registry_","type":"address"},{"name":"distributor_","type":"address"}],"stateMutability":"nonpayable"},
  {"type":"error","name":"BadSignature","inputs":[]},
  {"type":"error","name":"InvalidShortString","inputs":[]},
  {"type":"error","name":"StringTooLong","inputs":[{"name":"str","type":"string"}]},
  {"type":"error","name":"UnknownSet","inputs":[{"name":"setId","type":"uint32"}]},
  {"type":"event","name":"EIP712DomainChanged","inputs":[],"anonymous":false},
  {"type":"event","name":"RootSigned","inputs":[{"name":"net","type":"uint32","indexed":true},{"name":"asset","type":"address","indexed":true},{"name":"epoch","type":"uint32","indexed":true},{"name":"index","type":"uint32","indexed":false},{"name":"attempt","type":"uint32","indexed":false},{"name":"setId","type":"uint32","indexed":false},{"name":"signatures","type":"bytes","indexed":false}],"anonymous":false},
  {"type":"function","name":"digestOf","inputs":[{"name":"m","type":"tuple","components":[{"name":"net","type":"uint32"},{"name":"asset","type":"address"},{"name":"epoch","type":"uint32"},{"name":"attempt","type":"uint32"},{"name":"setId","type":"uint32"},{"name":"root","type":"bytes32"},{"name":"total","type":"uint128"},{"name":"dataHash","type":"bytes32"}]}],"outputs":[{"name":"","type":"bytes32"}],"stateMutability":"view"},
  {"type":"function","name":"distributor","inputs":[],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"},
  {"type":"function","name":"eip712Domain","inputs":[],"outputs":[{"name":"fields","type":"bytes1"},{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"},{"name":"salt","type":"bytes32"},{"name":"extensions","type":"uint256[]"}],"stateMutability":"view"},
  {"type":"function","name":"publish","inputs":[{"name":"m","type":"tuple","components":[{"name":"net","type":"uint32"},{"name":"asset","type":"address"},{"name":"epoch","type":"uint32"},{"name":"attempt","type":"uint32"},{"name":"setId","type":"uint32"},{"name":"root","type":"bytes32"},{"name":"total","type":"uint128"},{"name":"dataHash","type":"bytes32"}]},{"name":"signatures","type":"bytes"}],"outputs":[{"name":"index","type":"uint32"}],"stateMutability":"nonpayable"},
  {"type":"function","name":"registry","inputs":[],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"},
] as const
