import type { TrustedDevice } from '../account/devices'
import type { Marker } from '../session/marker'

/** What a user may see of a device. `current`: this session rests on it. */
export function shownDevice(
  { id, label, firstSeenAt, lastSeenAt, expiresAt }: Omit<TrustedDevice, 'hash'>,
  marker: Marker,
) {
  return {
    id,
    label,
    firstSeenAt: new Date(firstSeenAt),
    lastSeenAt: new Date(lastSeenAt),
    expiresAt: new Date(expiresAt),
    current: marker.state === 'verified' && marker.device === id,
  }
}
