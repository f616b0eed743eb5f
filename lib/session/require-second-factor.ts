import type { RequestHandler } from 'express'
import type { Method } from '../account/record'
import { must as mustHold, type NamesOf, typeName } from '../checks'
import { type Duration, milliseconds } from '../duration'
import { ConfigurationError } from '../errors'
import { didYouMean } from '../nearest'
import type { Answers } from '../pages/answers'
import type { Settings } from '../settings'
import { isWithin, SHORTEST_AGE } from './age'
import { handOn } from './hand-on'
import { isOwner } from './owner'
import { knownStateOf, type RequestState } from './request-factor'
import { ownPath } from './return-to'
import { turnAway } from './turn-away'

export interface RequirementOptions {
  /**
   * How long ago a code may have been accepted; without it, any time in this session. What stands in for a code, such
   * as a trusted device, never satisfies it.
   */
  maxAge?: Duration
  /** The kinds of code that will do. Default: all, and what stands in for a code. */
  methods?: readonly Method[]
  /** Where somebody returns whose form was not carried out. Default: the page that it was sent from. */
  returnTo?: string
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
  check(options)
  const { methods, returnTo } = options
  const maxAge = options.maxAge === undefined ? null : milliseconds(options.maxAge, 'maxAge')
  if (maxAge !== null && maxAge < SHORTEST_AGE) {
    throw new ConfigurationError(
      'SF_DURATION',
      `No code is as fresh as ${maxAge} ms: write maxAge as '5m' (a bare number counts milliseconds)`,
    )
  }

  return function requireSecondFactor(req, res, next) {
    try {
      const state = knownStateOf(req, settings)
      if (!isOwner(settings, req, state)) state.become('anonymous', null)
      if (
        state.state === 'verified' &&
        (maxAge === null || isFresh(state, maxAge, settings.now())) &&
        (methods === undefined || methods.includes(state.method as Method))
      )
        return next()
      const demands = methods && { methods: [...methods] }
      const wish = { otherwise: settings.returnTo, returnTo, demands }
      turnAway(settings, answers, req, res, state, wish).catch(handOn(settings, next))
    } catch (error) {
      next(error)
    }
  }
}

const NAMES: NamesOf<RequirementOptions> = { maxAge: true, methods: true, returnTo: true }

/** @throws ConfigurationError `SF_REQUIREMENT` */
function check(options: RequirementOptions): void {
  const must = (condition: boolean, what: string) =>
    mustHold(
      condition,
      'SF_REQUIREMENT',
      `${what}: requireSecondFactor() takes nothing, or { maxAge: '5m', methods: ['totp'], returnTo: '/a/page' }`,
    )
  must(
    typeof options === 'object' && options !== null && !Array.isArray(options),
    `A gate is not made with ${typeName(options)}`,
  )
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(NAMES, name))
  if (unknown !== undefined)
    must(false, `A gate has no option ${unknown}.${didYouMean(unknown, Object.keys(NAMES))} In full`)
  const { methods, returnTo } = options
  must(
    methods === undefined ||
      (Array.isArray(methods) &&
        methods.length > 0 &&
        methods.every((method) => method === 'totp' || method === 'backup-code')),
    "A gate's methods are an array with 'totp', 'backup-code' or both",
  )
  must(
    returnTo === undefined || ownPath(returnTo) !== null,
    "A gate's returnTo is a path of your app, such as '/transfer'",
  )
}

/** Whether the second factor was proven at most `maxAge` milliseconds ago. */
export function isFresh({ verifiedAt }: RequestState, maxAge: number, now: number): boolean {
  return verifiedAt !== null && isWithin(verifiedAt.getTime(), maxAge, now)
}
