/** What a session key may do, by name. */
import { CairnError } from '../../protocol/errors.ts'
import { SCOPE } from '../../runtime/chain.ts'

/** Scope bits of names such as `voucher,storage`. Throws CONFIG for a name that is none. */
export function scopeOf(names: string): number {
  let scope = 0
  for (const name of names.split(',')) {
    const bit = Object.entries(SCOPE).find(([known]) => known === name.trim())?.[1]
    if (bit === undefined) {
      throw new CairnError('CONFIG', {
        what: `the scope ${name}`,
        why: 'there is none',
        fix: `say one or more of ${Object.keys(SCOPE).join(',')}`,
      })
    }
    scope |= bit
  }
  return scope
}
