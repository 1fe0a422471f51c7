/**
 * A verifier's own look at a provider. For storage there is none yet: reading a piece takes an order that a customer's
 * session key signed, and a verifier has no customer. A probe that only verifiers can make would be told apart from
 * customers and served better than they are; so until verifiers buy reads as customers, the answer is null and nothing
 * is scored by it. Gateways see slow and failing reads of their own and place fewer pieces there.
 */
export const observe = (): Promise<null> => Promise.resolve(null)
