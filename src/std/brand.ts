declare const brand: unique symbol
/** A `Base` that only the constructor of `Name` can make, so that two ids of different kinds are never swapped. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name }
