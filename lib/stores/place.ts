import type { SecondFactorStore } from './store'

/** Where a store of ours keeps its rows, as far as this process can tell. */
interface Place {
  /** The host's connection or pool. */
  at: unknown
  /** The table there, or what the keys begin with. */
  name: string
  /** Names that begin alike are the same place, too: what begins with one begins with the other. */
  prefixes: boolean
}

const places = new WeakMap<SecondFactorStore, Place>()

/** Beside the store, so that nobody can write to it. */
export function notePlace(store: SecondFactorStore, place: Place): void {
  places.set(store, place)
}

/** A store that hands on to another one. */
export function noteSamePlace(store: SecondFactorStore, as: SecondFactorStore): void {
  const place = places.get(as)
  if (place) places.set(store, place)
}

/** Whether two stores certainly write to the same rows. Connections of their own to one server are not known as one. */
export function isSamePlace(a: SecondFactorStore, b: SecondFactorStore): boolean {
  if (a === b) return true
  const [one, other] = [places.get(a), places.get(b)]
  if (!one || !other || one.at !== other.at) return false
  if (one.name === other.name) return true
  return one.prefixes && (one.name.startsWith(other.name) || other.name.startsWith(one.name))
}
