/**
 * The field GF(2^8) and the matrices of a systematic Cauchy Reed–Solomon code over it. Field polynomial 0x11d and
 * matrix are those of Intel's ISA-L (`gf_gen_cauchy1_matrix`), so that its shards and ours are the same bytes.
 */
import { assert } from '../../../std/assert.ts'

/** x^8 + x^4 + x^3 + x^2 + 1; 2 generates the field. */
const POLYNOMIAL = 0x11d

/** A matrix over GF(2^8) in row order. */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly cells: Uint8Array
}

export interface Field {
  multiply(a: number, b: number): number
  /** Throws on 0, which has no inverse. */
  invert(a: number): number
}

/** Builds the logarithm tables: 768 bytes, some microseconds. */
export function createField(): Field {
  const log = new Uint8Array(256)
  const power = new Uint8Array(512)
  let value = 1
  for (let exponent = 0; exponent < 255; exponent += 1) {
    power[exponent] = value
    power[exponent + 255] = value
    log[value] = exponent
    value = value << 1
    if (value > 255) value ^= POLYNOMIAL
  }
  const logOf = (a: number): number => log[a] as number
  return {
    multiply: (a, b) => (a === 0 || b === 0 ? 0 : (power[logOf(a) + logOf(b)] as number)),
    invert(a) {
      assert(a !== 0, '0 has no inverse')
      return power[255 - logOf(a)] as number
    },
  }
}

const cell = (matrix: Matrix, row: number, column: number): number => matrix.cells[row * matrix.columns + column] as number

/**
 * n × k: the identity above a Cauchy matrix 1 / (i ⊕ j). Every square submatrix of a Cauchy matrix is invertible, hence
 * any k of the n rows are.
 */
export function encodeMatrix(field: Field, k: number, n: number): Matrix {
  assert(Number.isInteger(k) && Number.isInteger(n) && k > 0 && n >= k && n <= 256, 'a code has 0 < k ≤ n ≤ 256')
  const cells = new Uint8Array(n * k)
  for (let i = 0; i < k; i += 1) cells[i * k + i] = 1
  for (let i = k; i < n; i += 1) for (let j = 0; j < k; j += 1) cells[i * k + j] = field.invert(i ^ j)
  return { rows: n, columns: k, cells }
}

/** The rows of `matrix` named in `rows`, in that order. */
export function selectRows(matrix: Matrix, rows: readonly number[]): Matrix {
  const { columns } = matrix
  const cells = new Uint8Array(rows.length * columns)
  for (const [i, row] of rows.entries()) {
    assert(Number.isInteger(row) && row >= 0 && row < matrix.rows, `row ${row} must exist`)
    cells.set(matrix.cells.subarray(row * columns, (row + 1) * columns), i * columns)
  }
  return { rows: rows.length, columns, cells }
}

export function multiplyMatrices(field: Field, a: Matrix, b: Matrix): Matrix {
  assert(a.columns === b.rows, 'shapes must fit')
  const cells = new Uint8Array(a.rows * b.columns)
  for (let i = 0; i < a.rows; i += 1) {
    for (let j = 0; j < b.columns; j += 1) {
      let sum = 0
      for (let x = 0; x < a.columns; x += 1) sum ^= field.multiply(cell(a, i, x), cell(b, x, j))
      cells[i * b.columns + j] = sum
    }
  }
  return { rows: a.rows, columns: b.columns, cells }
}

/** Gauss–Jordan elimination; asserts that the matrix is square and invertible. */
export function invertMatrix(field: Field, matrix: Matrix): Matrix {
  const size = matrix.rows
  assert(size === matrix.columns, 'only square matrices have inverses')
  const left = matrix.cells.slice()
  const right = new Uint8Array(size * size)
  for (let i = 0; i < size; i += 1) right[i * size + i] = 1
  for (let column = 0; column < size; column += 1) {
    let pivot = column
    while (pivot < size && left[pivot * size + column] === 0) pivot += 1
    assert(pivot < size, 'the matrix must be invertible')
    for (const half of [left, right]) swapRows(half, size, pivot, column)
    const scale = field.invert(left[column * size + column] as number)
    for (const half of [left, right]) {
      for (let x = column * size; x < (column + 1) * size; x += 1) half[x] = field.multiply(half[x] as number, scale)
    }
    for (let row = 0; row < size; row += 1) {
      const factor = left[row * size + column] as number
      if (row === column || factor === 0) continue
      for (const half of [left, right]) subtractRow(field, half, size, row, column, factor)
    }
  }
  return { rows: size, columns: size, cells: right }
}

function swapRows(cells: Uint8Array, size: number, a: number, b: number): void {
  if (a === b) return
  const kept = cells.slice(a * size, (a + 1) * size)
  cells.copyWithin(a * size, b * size, (b + 1) * size)
  cells.set(kept, b * size)
}

function subtractRow(field: Field, cells: Uint8Array, size: number, row: number, from: number, factor: number): void {
  for (let x = 0; x < size; x += 1) {
    cells[row * size + x] = (cells[row * size + x] as number) ^ field.multiply(factor, cells[from * size + x] as number)
  }
}

/**
 * The matrix that makes the shards `want` out of the first k of the shards `have`. Throws an assertion when there are
 * fewer than k: who counts pieces does it before.
 */
export function rebuildMatrix(field: Field, code: Matrix, have: readonly number[], want: readonly number[]): Matrix {
  const k = code.columns
  assert(have.length >= k && new Set(have).size === have.length, `${k} different shards are needed`)
  return multiplyMatrices(field, selectRows(code, want), invertMatrix(field, selectRows(code, have.slice(0, k))))
}

/** Bytes that the SIMD kernel reads per cell: the products with the 16 low and the 16 high nibbles. */
export const CELL_TABLE_BYTES = 32

/** The look-up tables of `gfMultiply` for a matrix, row by row. */
export function nibbleTables(field: Field, matrix: Matrix): Uint8Array {
  const out = new Uint8Array(matrix.cells.length * CELL_TABLE_BYTES)
  for (const [i, factor] of matrix.cells.entries()) {
    for (let nibble = 0; nibble < 16; nibble += 1) {
      out[i * CELL_TABLE_BYTES + nibble] = field.multiply(factor, nibble)
      out[i * CELL_TABLE_BYTES + 16 + nibble] = field.multiply(factor, nibble << 4)
    }
  }
  return out
}
