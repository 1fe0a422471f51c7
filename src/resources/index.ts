/** Every resource that this software knows. A new one is a folder beside these and one line here. */
import type { Kind, Resource } from './resource.ts'
import { storage } from './storage/index.ts'

/** A resource without its types, as the core uses it: it passes values on and never looks inside. */
const generic = <K extends Kind>(resource: Resource<K>): Resource<Kind> => resource as unknown as Resource<Kind>

export const resources: readonly Resource<Kind>[] = [generic(storage)]
