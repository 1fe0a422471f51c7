/**
 * Every bound that two peers must agree on or that keeps one of them from hurting the other, each with its reason.
 * Bounds that concern one module only stand in that module.
 */

const KIB = 1024
const MIB = 1024 * KIB

// --- Messages between peers -----------------------------------------------------------------------------------------

/** One message: 1 MiB of data, and 64 KiB for the envelope around it (signatures, proofs, tree paths). */
export const MESSAGE_BYTES_MAX = MIB + 64 * KIB
/** A protocol id such as `/cairn/storage/1`, in UTF-8. The first message of an exchange is nothing else. */
export const PROTOCOL_ID_BYTES_MAX = 64
/** Exchanges that one peer may have running with another at once; each holds a connection, and each may pin one message. */
export const EXCHANGES_PER_PEER_MAX = 64
/** Dials to one peer that may wait for one of its exchanges to end; more than this is a caller without back-pressure. */
export const WAITING_DIALS_MAX = 1024
/** Bytes that are read ahead of a reader who does not read; TCP then holds the writer back. Four 64 KiB frames. */
export const READ_AHEAD_BYTES = 256 * KIB
/** An exchange in which no byte moves for this long is given up. Whoever waits longer polls. */
export const EXCHANGE_IDLE_MS = 120_000
/** What a handler that returned leaves unread is dropped up to here, so that its connection can be used again. */
export const DRAIN_BYTES_MAX = MIB
/** How long the other side may take to end an exchange whose handler has returned. */
export const DRAIN_MS = 5_000

// --- Connections between peers --------------------------------------------------------------------------------------

/** TCP connect and TLS handshake: three round trips, even across the world, and one certificate to check. */
export const HANDSHAKE_MS = 5_000
/** Handshakes that may run at once; each costs a signature and memory before the peer has shown who it is. */
export const PENDING_HANDSHAKES_MAX = 256
/** Connections that a peer accepts in total: file descriptors (1024 × 64 is a common hard limit) are shared with the disk. */
export const INBOUND_CONNECTIONS_MAX = 8_192
/** Open connections to one peer that are kept without an exchange. */
export const IDLE_CONNECTIONS_PER_PEER_MAX = 16
/** How long a connection without an exchange is kept by the side that dialed it. */
export const IDLE_CONNECTION_MS = 30_000
/** The accepting side waits longer, so that connections are closed by the side that would otherwise use a dead one. */
export const IDLE_INBOUND_MS = 2 * IDLE_CONNECTION_MS
/** A kept connection that was silent for this long is asked for a sign of life before it is used again. */
export const PROBE_AFTER_MS = 1_000
/** How long that sign may take before a new connection is made. */
export const PROBE_MS = 2_000
/** Bytes of a peer's certificate: ours have about 500, and the parser should not see more than a multiple of that. */
export const CERTIFICATE_BYTES_MAX = 4 * KIB
/** Peers whose addresses are remembered; the one known longest is forgotten first. */
export const KNOWN_PEERS_MAX = 65_536
/** Addresses remembered per peer: each address family, each interface, with room to spare. */
export const ADDRESSES_PER_PEER_MAX = 8
/** One address in text: a DNS name (253) and what stands around it. */
export const ADDRESS_BYTES_MAX = 384
