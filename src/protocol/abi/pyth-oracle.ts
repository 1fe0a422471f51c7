// Generated from contracts/oracle/PythOracle.sol by scripts/build-contracts.ts; do not edit.
export const pythOracleAbi = [
  {"type":"constructor","inputs":[{"name":"pyth","type":"address"},{"name":"feedId","type":"bytes32"},{"name":"maxAge_","type":"uint40"}],"stateMutability":"nonpayable"},
  {"type":"error","name":"BadPrice","inputs":[{"name":"price","type":"int64"},{"name":"expo","type":"int32"}]},
  {"type":"error","name":"BadSettings","inputs":[]},
  {"type":"error","name":"FailedCall","inputs":[]},
  {"type":"error","name":"FeeTooLow","inputs":[{"name":"paid","type":"uint256"},{"name":"fee","type":"uint256"}]},
  {"type":"error","name":"InsufficientBalance","inputs":[{"name":"balance","type":"uint256"},{"name":"needed","type":"uint256"}]},
  {"type":"error","name":"NotRefundable","inputs":[]},
  {"type":"error","name":"OutOfBand","inputs":[{"name":"spot","type":"uint256"},{"name":"ema","type":"uint256"}]},
  {"type":"error","name":"SafeCastOverflowedUintDowncast","inputs":[{"name":"bits","type":"uint8"},{"name":"value","type":"uint256"}]},
  {"type":"function","name":"FEED_ID","inputs":[],"outputs":[{"name":"","type":"bytes32"}],"stateMutability":"view"},
  {"type":"function","name":"PYTH","inputs":[],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"},
  {"type":"function","name":"latest","inputs":[],"outputs":[{"name":"spot","type":"uint128"},{"name":"conf","type":"uint128"},{"name":"ema","type":"uint128"},{"name":"publishedAt","type":"uint40"}],"stateMutability":"view"},
  {"type":"function","name":"maxAge","inputs":[],"outputs":[{"name":"","type":"uint40"}],"stateMutability":"view"},
  {"type":"function","name":"update","inputs":[{"name":"data","type":"bytes[]"},{"name":"refundTo","type":"address"}],"outputs":[],"stateMutability":"payable"},
  {"type":"function","name":"updateFee","inputs":[{"name":"data","type":"bytes[]"}],"outputs":[{"name":"fee","type":"uint256"}],"stateMutability":"view"},
] as const
