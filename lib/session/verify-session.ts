import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import type { SessionData } from 'express-session'
import type { ProvenBy } from '../events/events'
import type { Settings } from '../settings'
import type { AccountViews } from './account-views'
import { isHeldBy } from './demand'
import { heldGoesOn, judgeLogin } from './judge'
import { isHeld, ownMarker } from './marker'
import { deserialized, keyOf } from './passport-session'
import type { FactorState } from './request-factor'
import type { Settler } from './settle'

/** What a session is worth where there is no route: at a WebSocket's upgrade, in a worker. */
export interface VerifiedSession {
  state: Exclude<FactorState, 'unavailable'>
  /** The host's user; null unless `unenrolled` or `verified`. */
  user: Express.User | null
  /** How the second factor was proven, or what stood in for it. */
  method: ProvenBy | null
  /** When a code was last accepted; null where something stood in for it. */
  verifiedAt: Date | null
}

const NOBODY: VerifiedSession = { state: 'anonymous', user: null, method: null, verifiedAt: null }

/**
 * Looks at a session as `secondFactor.session()` would, and changes nothing.
 *
 * @param session as express-session has it, or as its store kept it
 * @throws UnavailableError when nothing is known of the account now: nobody is to be let in
 */
export async function verifySession(
  settings: Settings,
  views: AccountViews,
  settler: Settler,
  session: Partial<SessionData> | null | undefined,
  request: IncomingMessage | undefined,
): Promise<VerifiedSession> {
  const marker = ownMarker(session)
  const key = keyOf(settings.passport)
  const serialized = (session as Record<string, { user?: unknown } | undefined> | null | undefined)?.[key]
    ?.user
  // Passport's own test for nobody.
  if (!serialized && serialized !== 0) {
    const held = isHeld(marker) && heldGoesOn(marker, settings.now())
    return held ? { ...NOBODY, state: marker.state } : NOBODY
  }
  const user = await deserialized(settings.passport, serialized, request ?? ({} as IncomingMessage))
  if (!user) return NOBODY
  const { id } = settings.account(user)
  const own = marker?.accountId === id && !isHeld(marker) ? marker : null
  const device = own?.state === 'verified' ? own.device : undefined
  const remembered = own && views.remembered(id, own.epoch, device)
  const view = await settler.lookAt(user, request as Request, id, own, remembered)
  const demand = await settler.demandOn(user, request as Request, view)
  const judgement = judgeLogin(marker, id, view, isHeldBy(demand))
  const unseen = !own && (judgement.verdict === 'hold' || judgement.verdict === 'adopt')
  if (unseen && (await settler.isSkipped(user, request as Request, view))) {
    return { state: 'verified', user, method: 'single-sign-on', verifiedAt: null }
  }
  switch (judgement.verdict) {
    case 'keep': {
      if (judgement.marker.state === 'unenrolled') return { ...NOBODY, state: 'unenrolled', user }
      const { method, verifiedAt } = judgement.marker
      return {
        state: 'verified',
        user,
        method,
        verifiedAt: verifiedAt === null ? null : new Date(verifiedAt),
      }
    }
    case 'adopt':
      return { ...NOBODY, state: 'unenrolled', user }
    case 'hold':
      return { ...NOBODY, state: judgement.as }
    case 'log-out':
      return NOBODY
  }
}
