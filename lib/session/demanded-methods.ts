import type { Method } from '../account/record'
import type { Marker } from './marker'

const METHODS: readonly Method[] = ['totp', 'backup-code']

/** The kinds of code that will do for the gate that sent this session here: a code of another kind is not spent. */
export function demandedMethods(marker: Marker | undefined): readonly Method[] {
  return (marker?.state === 'verified' && marker.demands?.methods) || METHODS
}
