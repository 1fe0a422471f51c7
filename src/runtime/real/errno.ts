/** The code that the operating system gave for an error, such as ENOENT; empty when it gave none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
