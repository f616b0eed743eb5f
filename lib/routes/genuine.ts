import type { Request, Response } from 'express'
import type { ProblemCode } from '../errors'
import { isToken } from '../pages/csrf'
import { sessionOf } from '../session/express-sessions'
import type { Marker } from '../session/marker'
import type { Rooms } from './rooms'

/**
 * What is wrong with a form, before anybody looks at its fields: forgery first, then what reading it has met.
 *
 * @param unread what `readBody` has answered
 */
export async function formProblem(
  rooms: Rooms,
  req: Request,
  res: Response,
  unread: ProblemCode | null,
): Promise<ProblemCode | null> {
  // Of a body that was too large the token is unknown, unless the header has it.
  if (unread === 'too_large' && req.headers['x-csrf-token'] === undefined) return unread
  return (await isGenuine(rooms, req, res)) ? unread : 'csrf'
}

/** The request was made by a page of ours, or by a program that has read one. */
async function isGenuine({ settings }: Rooms, req: Request, res: Response): Promise<boolean> {
  if (settings.csrf) {
    const { verify } = settings.csrf
    return verify === 'before' || (await verify(req, res)) === true
  }
  const { csrf } = sessionOf(req).secondFactor as Marker
  const body = req.body as Record<string, unknown> | undefined
  const token = req.headers['x-csrf-token'] ?? (body && Object.hasOwn(body, '_csrf') ? body._csrf : undefined)
  return isToken(csrf, token)
}
