/** A new array with the items in random order (Fisher–Yates). `below` draws an integer in [0, bound). */
export function shuffled<T>(items: readonly T[], below: (bound: number) => number): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i -= 1) {
    const j = below(i + 1)
    const other = out[j] as T
    out[j] = out[i] as T
    out[i] = other
  }
  return out
}
