/**
 * The inner loops of the storage kernel, in AssemblyScript: `scripts/build-kernel.ts` compiles this file into
 * ../kernel.wasm.ts. It owns no memory, no data segment and no stack: every address is an argument, so that any number of
 * instances (one per worker) run at once on one shared memory.
 */

// ---------------------------------------------------------------------------------------------------- GF(2^8)

/**
 * target[r] = Σ_j M[r][j] · source[j] over GF(2^8), for `rows` targets and `k` sources of `length` bytes (a multiple of 32).
 * `sources` and `targets` are lists of u32 addresses. `tables` holds, for each row and column, the 16 products of the low
 * and the 16 products of the high nibble: a byte's product is two table look-ups, which is what swizzle does sixteen at
 * a time. Four rows share one pass over the sources, because loading and splitting nibbles is half of the work.
 */
export function gfMultiply(tables: usize, sources: usize, k: i32, targets: usize, rows: i32, length: usize): void {
  const tableRow = <usize>k * 32
  let row: i32 = 0
  for (; row + 4 <= rows; row += 4) {
    fourRows(tables + <usize>row * tableRow, sources, k, targets + <usize>row * 4, length)
  }
  for (; row < rows; row += 1) {
    oneRow(tables + <usize>row * tableRow, sources, k, <usize>load<u32>(targets + <usize>row * 4), length)
  }
}

@inline
function product(low: v128, high: v128, lowNibbles: v128, highNibbles: v128): v128 {
  // The indices are masked to 0…15, so the relaxed instruction gives the same bytes on every machine: they differ only
  // for indices of 16 and more.
  return v128.xor(i8x16.relaxed_swizzle(low, lowNibbles), i8x16.relaxed_swizzle(high, highNibbles))
}

function fourRows(tables: usize, sources: usize, k: i32, targets: usize, length: usize): void {
  const mask = i8x16.splat(0x0f)
  const zero = i8x16.splat(0)
  const stride = <usize>k * 32
  const t0 = <usize>load<u32>(targets), t1 = <usize>load<u32>(targets, 4), t2 = <usize>load<u32>(targets, 8), t3 = <usize>load<u32>(targets, 12)
  for (let at: usize = 0; at < length; at += 32) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero
    let table = tables
    for (let j: i32 = 0; j < k; j += 1) {
      const source = <usize>load<u32>(sources + (<usize>j << 2)) + at
      const v = v128.load(source), w = v128.load(source, 16)
      const vl = v128.and(v, mask), vh = i8x16.shr_u(v, 4), wl = v128.and(w, mask), wh = i8x16.shr_u(w, 4)
      let low = v128.load(table), high = v128.load(table, 16)
      a0 = v128.xor(a0, product(low, high, vl, vh))
      b0 = v128.xor(b0, product(low, high, wl, wh))
      let next = table + stride
      low = v128.load(next); high = v128.load(next, 16)
      a1 = v128.xor(a1, product(low, high, vl, vh))
      b1 = v128.xor(b1, product(low, high, wl, wh))
      next += stride
      low = v128.load(next); high = v128.load(next, 16)
      a2 = v128.xor(a2, product(low, high, vl, vh))
      b2 = v128.xor(b2, product(low, high, wl, wh))
      next += stride
      low = v128.load(next); high = v128.load(next, 16)
      a3 = v128.xor(a3, product(low, high, vl, vh))
      b3 = v128.xor(b3, product(low, high, wl, wh))
      table += 32
    }
    v128.store(t0 + at, a0); v128.store(t0 + at, b0, 16)
    v128.store(t1 + at, a1); v128.store(t1 + at, b1, 16)
    v128.store(t2 + at, a2); v128.store(t2 + at, b2, 16)
    v128.store(t3 + at, a3); v128.store(t3 + at, b3, 16)
  }
}

function oneRow(tables: usize, sources: usize, k: i32, target: usize, length: usize): void {
  const mask = i8x16.splat(0x0f)
  for (let at: usize = 0; at < length; at += 32) {
    let a = i8x16.splat(0), b = a
    for (let j: i32 = 0; j < k; j += 1) {
      const source = <usize>load<u32>(sources + (<usize>j << 2)) + at
      const table = tables + (<usize>j << 5)
      const v = v128.load(source), w = v128.load(source, 16)
      const low = v128.load(table), high = v128.load(table, 16)
      a = v128.xor(a, product(low, high, v128.and(v, mask), i8x16.shr_u(v, 4)))
      b = v128.xor(b, product(low, high, v128.and(w, mask), i8x16.shr_u(w, 4)))
    }
    v128.store(target + at, a); v128.store(target + at, b, 16)
  }
}

// ---------------------------------------------------------------------------------------------------- SHA-256

@inline
function add(x: v128, y: v128): v128 { return i32x4.add(x, y) }

@inline
function xor3(x: v128, y: v128, z: v128): v128 { return v128.xor(v128.xor(x, y), z) }

// There is no SIMD rotation in WebAssembly: the two shifts of each of the three rotations are xored together, one
// operation less than building the rotations first.
@inline
function rotations(x: v128, p: i32, q: i32, r: i32): v128 {
  return v128.xor(
    xor3(i32x4.shr_u(x, p), i32x4.shl(x, 32 - p), i32x4.shr_u(x, q)),
    xor3(i32x4.shl(x, 32 - q), i32x4.shr_u(x, r), i32x4.shl(x, 32 - r)),
  )
}

/** σ of FIPS 180-4 §4.1.2: two rotations and a shift. */
@inline
function sigma(x: v128, p: i32, q: i32, shift: i32): v128 {
  return v128.xor(
    xor3(i32x4.shr_u(x, p), i32x4.shl(x, 32 - p), i32x4.shr_u(x, q)),
    v128.xor(i32x4.shl(x, 32 - q), i32x4.shr_u(x, shift)),
  )
}

/** h + Σ1(e) + Ch(e, f, g) + K + W: the first sum of a round. */
@inline
function sum1(h: v128, e: v128, f: v128, g: v128, constant: usize, word: v128): v128 {
  const choice = v128.xor(g, v128.and(e, v128.xor(f, g)))
  return add(add(add(h, v128.load32_splat(constant)), add(word, choice)), rotations(e, 6, 11, 25))
}

/** Σ0(a) + Maj(a, b, c), given a⊕b and b⊕c; the first is the next round's second. */
@inline
function sum2(a: v128, b: v128, ab: v128, bc: v128): v128 {
  return add(rotations(a, 2, 13, 22), v128.xor(b, v128.and(ab, bc)))
}

/** Writes word t + `i` of the schedule, of which word t belongs at `at`. */
@inline
function extend(at: usize, i: usize): void {
  const early = sigma(v128.load(at - 240 + (i << 4)), 7, 18, 3), late = sigma(v128.load(at - 32 + (i << 4)), 17, 19, 10)
  v128.store(at + (i << 4), add(add(v128.load(at - 256 + (i << 4)), v128.load(at - 112 + (i << 4))), add(early, late)))
}

/**
 * Mixes the sixteen words at `w` (each four lanes wide) into the eight at `state`; the schedule's other 48 words follow
 * the sixteen. `constants`: the 64 of FIPS 180-4.
 */
function compress(state: usize, w: usize, constants: usize): void {
  let a = v128.load(state), b = v128.load(state, 16), c = v128.load(state, 32), d = v128.load(state, 48)
  let e = v128.load(state, 64), f = v128.load(state, 80), g = v128.load(state, 96), h = v128.load(state, 112)
  let x = v128.xor(b, c)
  let y = x
  // Two small loops: unrolling all of it, or keeping the schedule in locals, measured no faster and is three times the code.
  for (let at = w + 256; at < w + 1024; at += 64) {
    extend(at, 0); extend(at, 1); extend(at, 2); extend(at, 3)
  }
  let k = constants
  for (let at = w; at < w + 1024; at += 128) {
    y = v128.xor(a, b); h = sum1(h, e, f, g, k + 0, v128.load(at, 0)); d = add(d, h); h = add(h, sum2(a, b, y, x))
    x = v128.xor(h, a); g = sum1(g, d, e, f, k + 4, v128.load(at, 16)); c = add(c, g); g = add(g, sum2(h, a, x, y))
    y = v128.xor(g, h); f = sum1(f, c, d, e, k + 8, v128.load(at, 32)); b = add(b, f); f = add(f, sum2(g, h, y, x))
    x = v128.xor(f, g); e = sum1(e, b, c, d, k + 12, v128.load(at, 48)); a = add(a, e); e = add(e, sum2(f, g, x, y))
    y = v128.xor(e, f); d = sum1(d, a, b, c, k + 16, v128.load(at, 64)); h = add(h, d); d = add(d, sum2(e, f, y, x))
    x = v128.xor(d, e); c = sum1(c, h, a, b, k + 20, v128.load(at, 80)); g = add(g, c); c = add(c, sum2(d, e, x, y))
    y = v128.xor(c, d); b = sum1(b, g, h, a, k + 24, v128.load(at, 96)); f = add(f, b); b = add(b, sum2(c, d, y, x))
    x = v128.xor(b, c); a = sum1(a, f, g, h, k + 28, v128.load(at, 112)); e = add(e, a); a = add(a, sum2(b, c, x, y))
    k += 32
  }
  v128.store(state, add(v128.load(state), a)); v128.store(state, add(v128.load(state, 16), b), 16)
  v128.store(state, add(v128.load(state, 32), c), 32); v128.store(state, add(v128.load(state, 48), d), 48)
  v128.store(state, add(v128.load(state, 64), e), 64); v128.store(state, add(v128.load(state, 80), f), 80)
  v128.store(state, add(v128.load(state, 96), g), 96); v128.store(state, add(v128.load(state, 112), h), 112)
}

/** Big-endian words of four 16-byte pieces, one per lane, turned into four words of four lanes. */
@inline
function transpose(p0: usize, p1: usize, p2: usize, p3: usize, w: usize): void {
  const a = bigEndianWords(v128.load(p0)), b = bigEndianWords(v128.load(p1))
  const c = bigEndianWords(v128.load(p2)), d = bigEndianWords(v128.load(p3))
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5)
  const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7)
  v128.store(w, v128.shuffle<i64>(ab, cd, 0, 2)); v128.store(w, v128.shuffle<i64>(ab, cd, 1, 3), 16)
  v128.store(w, v128.shuffle<i64>(AB, CD, 0, 2), 32); v128.store(w, v128.shuffle<i64>(AB, CD, 1, 3), 48)
}

@inline
function bigEndianWords(x: v128): v128 {
  return v128.shuffle<i8>(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)
}

@inline
function storeDigest(state: usize, lane: usize, out: usize): void {
  for (let i: usize = 0; i < 8; i += 1) store<u32>(out + (i << 2), bswap<u32>(load<u32>(state + (i << 4) + (lane << 2))))
}

/**
 * SHA-256 of four messages of `length` bytes (a multiple of 64) at once, one per SIMD lane. `jobs` is a list of u32
 * addresses: four messages, then the four places where the 32-byte digests go. `scratch`: 1152 bytes that nobody else uses.
 */
export function sha256x4(jobs: usize, length: usize, constants: usize, scratch: usize): void {
  const p0 = <usize>load<u32>(jobs), p1 = <usize>load<u32>(jobs, 4), p2 = <usize>load<u32>(jobs, 8), p3 = <usize>load<u32>(jobs, 12)
  const state = scratch, w = scratch + 128
  v128.store(state, i32x4.splat(0x6a09e667)); v128.store(state, i32x4.splat(<i32>0xbb67ae85), 16)
  v128.store(state, i32x4.splat(0x3c6ef372), 32); v128.store(state, i32x4.splat(<i32>0xa54ff53a), 48)
  v128.store(state, i32x4.splat(0x510e527f), 64); v128.store(state, i32x4.splat(<i32>0x9b05688c), 80)
  v128.store(state, i32x4.splat(0x1f83d9ab), 96); v128.store(state, i32x4.splat(0x5be0cd19), 112)
  for (let at: usize = 0; at < length; at += 64) {
    transpose(p0 + at, p1 + at, p2 + at, p3 + at, w)
    transpose(p0 + at + 16, p1 + at + 16, p2 + at + 16, p3 + at + 16, w + 64)
    transpose(p0 + at + 32, p1 + at + 32, p2 + at + 32, p3 + at + 32, w + 128)
    transpose(p0 + at + 48, p1 + at + 48, p2 + at + 48, p3 + at + 48, w + 192)
    compress(state, w, constants)
  }
  // The padding of a message of whole blocks is a block of its own: a one bit, zeros, and the length in bits.
  v128.store(w, i32x4.splat(<i32>0x80000000))
  for (let i: usize = 1; i < 15; i += 1) v128.store(w + (i << 4), i32x4.splat(0))
  v128.store(w, i32x4.splat(<i32>(length << 3)), 240)
  compress(state, w, constants)
  for (let lane: usize = 0; lane < 4; lane += 1) storeDigest(state, lane, <usize>load<u32>(jobs + 16 + (lane << 2)))
}

// ---------------------------------------------------------------------------------------------------- CRC

/**
 * Continues a reflected 32-bit CRC (already inverted) over `length` bytes, sixteen at a time ("slicing by 16"): table j
 * at `tables` + 1024·j says what a byte does to the register j bytes later, so that sixteen look-ups do not wait for
 * each other.
 */
export function crc32Update(crc: u32, at: usize, length: usize, tables: usize): u32 {
  const end = at + length
  for (; at + 16 <= end; at += 16) {
    const x = load<u32>(at) ^ crc, y = load<u32>(at, 4), z = load<u32>(at, 8), u = load<u32>(at, 12)
    crc = slice32(tables, x, 15) ^ slice32(tables, y, 11) ^ slice32(tables, z, 7) ^ slice32(tables, u, 3)
  }
  for (; at < end; at += 1) crc = load<u32>(tables + (<usize>((crc ^ load<u8>(at)) & 0xff) << 2)) ^ (crc >>> 8)
  return crc
}

@inline
function slice32(tables: usize, x: u32, table: usize): u32 {
  return load<u32>(tables + (table << 10) + (<usize>(x & 0xff) << 2)) ^
    load<u32>(tables + ((table - 1) << 10) + (<usize>((x >>> 8) & 0xff) << 2)) ^
    load<u32>(tables + ((table - 2) << 10) + (<usize>((x >>> 16) & 0xff) << 2)) ^
    load<u32>(tables + ((table - 3) << 10) + (<usize>(x >>> 24) << 2))
}

/** Continues a reflected 64-bit CRC (already inverted), eight bytes at a time; tables of 2048 bytes. */
export function crc64Update(crc: u64, at: usize, length: usize, tables: usize): u64 {
  const end = at + length
  for (; at + 16 <= end; at += 16) {
    const x = load<u64>(at) ^ crc
    crc = slice64(tables, x, 15) ^ slice64(tables, load<u64>(at, 8), 7)
  }
  for (; at < end; at += 1) crc = load<u64>(tables + (<usize>((crc ^ load<u8>(at)) & 0xff) << 3)) ^ (crc >>> 8)
  return crc
}

@inline
function slice64(tables: usize, x: u64, table: usize): u64 {
  return load<u64>(tables + (table << 11) + (<usize>(x & 0xff) << 3)) ^
    load<u64>(tables + ((table - 1) << 11) + (<usize>((x >>> 8) & 0xff) << 3)) ^
    load<u64>(tables + ((table - 2) << 11) + (<usize>((x >>> 16) & 0xff) << 3)) ^
    load<u64>(tables + ((table - 3) << 11) + (<usize>((x >>> 24) & 0xff) << 3)) ^
    load<u64>(tables + ((table - 4) << 11) + (<usize>((x >>> 32) & 0xff) << 3)) ^
    load<u64>(tables + ((table - 5) << 11) + (<usize>((x >>> 40) & 0xff) << 3)) ^
    load<u64>(tables + ((table - 6) << 11) + (<usize>((x >>> 48) & 0xff) << 3)) ^
    load<u64>(tables + ((table - 7) << 11) + (<usize>(x >>> 56) << 3))
}
