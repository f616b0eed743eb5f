import type { RequestHandler } from 'express'
import { type Duration, milliseconds } from '../duration'
import { ConfigurationError } from '../errors'
import type { Settings } from '../options'
import type { Answers } from '../pages/answers'
import { isWithin } from './age'
import { isOwner } from './owner'
import { knownStateOf, type RequestState } from './request-factor'
import { turnAway } from './turn-away'

export interface RequirementOptions {
  /** How long ago the second factor may have been proven; without it, any time in this session. */
  maxAge?: Duration
}

/**
 * Makes the gate of a route: only requests with a proven second factor pass.
 *
 * @throws ConfigurationError `SF_DURATION`, `SF_REQUIREMENT`
 */
export function createGate(
  settings: Settings,
  answers: Answers,
  options: RequirementOptions = {},
): RequestHandler {
  for (const name of typeof options === 'object' && options !== null ? Object.keys(options) : ['it']) {
    if (name === 'maxAge') continue
    throw new ConfigurationError('SF_REQUIREMENT', "requireSecondFactor() takes nothing, or { maxAge: '5m' }")
  }
  const maxAge = options.maxAge === undefined ? null : milliseconds(options.maxAge, 'maxAge')

  return function requireSecondFactor(req, res, next) {
    try {
      const state = knownStateOf(req)
      if (!isOwner(settings, req, state)) state.become('anonymous', null)
      if (state.state === 'verified' && (maxAge === null || isFresh(state, maxAge, settings.now())))
        return next()
      turnAway(settings, answers, req, res, state, settings.returnTo).catch(next)
    } catch (error) {
      next(error)
    }
  }
}

/** Whether the second factor was proven at most `maxAge` milliseconds ago. */
export function isFresh({ verifiedAt }: RequestState, maxAge: number, now: number): boolean {
  return verifiedAt !== null && isWithin(verifiedAt.getTime(), maxAge, now)
}
