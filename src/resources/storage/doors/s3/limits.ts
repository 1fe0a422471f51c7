/** Limits of the S3 door. Each says where it comes from; a client that meets one gets the error that S3 gives. */

/** Longest object key in UTF-8 bytes (S3 user guide, "Naming objects"). */
export const KEY_BYTES = 1024
/** Most user metadata, names and values together, in bytes (S3 user guide, "User-defined object metadata"). */
export const USER_METADATA_BYTES = 2048
/** Largest body of one PUT or part: 5 GiB (S3 "Multipart upload limits"). */
export const PUT_BYTES = 5 * 1024 ** 3
/** Smallest part except the last: 5 MiB (same table). Known here for the messages; the store refuses. */
export const PART_BYTES_MIN = 5 * 1024 ** 2
/** Part numbers are 1 … 10 000 (same table). */
export const PARTS = 10_000
/** Most keys in one DeleteObjects, and most entries in one page of a list (S3 API reference). */
export const KEYS = 1000
/** Largest XML body: 1000 keys of 1024 bytes fit. S3 allows 2 MiB; half keeps the parser's memory small. */
export const XML_BYTES = 1024 * 1024
/** CompleteMultipartUpload may list 10 000 parts with checksums, about 200 bytes each: the one larger XML body. */
export const COMPLETE_XML_BYTES = 3 * 1024 * 1024
/** Our deepest document (Delete/Object/Key) has three levels; more is not S3. */
export const XML_DEPTH = 6
/** How far a request's date may be from the clock (S3 "Authenticating requests": 15 minutes). */
export const SKEW_MS = 15 * 60_000
/** Longest life of a presigned URL: 7 days (S3 "Sharing objects with presigned URLs"). */
export const PRESIGNED_SECONDS = 7 * 24 * 3600
/** Longest line in an aws-chunked body: 16 hex digits, `;chunk-signature=` and 64 hex digits, with room for a trailer. */
export const CHUNK_LINE_BYTES = 512
/** Smallest signed chunk that is not the last: 8 KiB (S3 "Signature calculations … multiple chunks"); each costs two HMACs. */
export const SIGNED_CHUNK_BYTES_MIN = 8192
/** Without a running hash in `Crypto`, a signed chunk is held whole until its end; SDKs send 64 KiB to 1 MiB. */
export const HELD_CHUNK_BYTES = 8 * 1024 * 1024
/** Trailer lines of an aws-chunked body: one checksum and one signature are all that S3 defines. */
export const TRAILERS = 4
/** Cached signing keys: one per access key and day, 150 bytes each. */
export const SIGNING_KEYS = 8192
/** Most parameters in a query; the longest S3 request (presigned UploadPart with overrides) has under 20. */
export const QUERY_PARAMETERS = 64
