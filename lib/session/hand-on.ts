import { UnavailableError } from '../errors'
import type { Settings } from '../settings'

/** Hands an error to the app. Where Express will answer it with 503, option `onUnavailable` is told, as of our own answers. */
export function handOn(
  { onUnavailable }: Settings,
  next: (error: unknown) => void,
): (error: unknown) => void {
  return (error) => {
    if (error instanceof UnavailableError) onUnavailable(error)
    next(error)
  }
}
