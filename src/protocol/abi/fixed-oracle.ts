// Generated from contracts/oracle/FixedOracle.sol by scripts/build-contracts.ts; do not edit.
export const fixedOracleAbi = [
  {"type":"constructor","inputs":[{"name":"price","type":"uint128"}],"stateMutability":"nonpayable"},
  {"type":"error","name":"ZeroPrice","inputs":[]},
  {"type":"function","name":"PRICE","inputs":[],"outputs":[{"name":"","type":"uint128"}],"stateMutability":"view"},
  {"type":"function","name":"latest","inputs":[],"outputs":[{"name":"spot","type":"uint128"},{"name":"conf","type":"uint128"},{"name":"ema","type":"uint128"},{"name":"publishedAt","type":"uint40"}],"stateMutability":"view"},
  {"type":"function","name":"maxAge","inputs":[],"outputs":[{"name":"","type":"uint40"}],"stateMutability":"pure"},
] as const
