import type { Request } from 'express'
import type { Store } from 'express-session'
import { isNotFound, sessionOf } from './express-sessions'
import { type AppSession, isHeld } from './marker'
import { hasPassportUser } from './passport-session'
import { type RequestState, stateOf } from './request-factor'

/** Ids of ended sessions that a process remembers: of more than begin during the longest request. */
const MOST_ENDED = 10_000

/** Somebody has begun to sign out, or the store was told to end it. */
type Ending = 'signing-out' | 'ended'

/** The ids that each store has ended, in this process. */
const endedBy = new WeakMap<Store, Map<string, Ending>>()

/**
 * A session is what it was when its request began, and express-session writes it whole: a request that is under way
 * would bring a session back to life that was signed out meanwhile, its proof included. So before a session that
 * somebody was logged in with is written again, the store is asked whether it is still there; if not, nothing is
 * written. What this process itself has ended it knows at once. Between processes a moment remains, from the look to
 * the write.
 */
export function withoutRevival(req: Request, state: RequestState): void {
  const session = sessionOf(req)
  if (isSomebodys(req, session)) state.loadedSession = session.id
  // A request that is made up, as in a host's own tests, may have a session and no store: nothing is written there.
  const store = req.sessionStore as Store | undefined
  if (store && !endedBy.has(store)) watch(store)
}

/** Whether this process has ended the request's session meanwhile. Without a question to the store. */
export function wasEnded(req: Request): boolean {
  return endedBy.get(req.sessionStore as Store)?.has(req.sessionID) === true
}

/**
 * Somebody signs out: from now on, and not only once the store has done it.
 *
 * @returns what takes it back, where signing out has failed
 */
export function noteSigningOut(req: Request): () => void {
  const ended = endedBy.get(req.sessionStore as Store)
  const { sessionID: id } = req
  if (ended && !ended.has(id)) noteEnd(ended, id, 'signing-out')
  return () => {
    if (ended?.get(id) === 'signing-out') ended.delete(id)
  }
}

function noteEnd(ended: Map<string, Ending>, id: string, ending: Ending): void {
  ended.set(id, ending)
  if (ended.size > MOST_ENDED) ended.delete(ended.keys().next().value as string)
}

/** In the store, since a host may load, copy and write sessions as it likes. */
function watch(store: Store & { generate?(req: Request): void }): void {
  const ended = new Map<string, Ending>()
  /** How many calls of `touch` are under way, by id. */
  const touching = new Map<string, number>()
  endedBy.set(store, ended)
  const [get, set, destroy] = [store.get.bind(store), store.set.bind(store), store.destroy.bind(store)]
  const [generate, touch] = [store.generate?.bind(store), store.touch?.bind(store)]

  store.destroy = (id, done) => {
    noteEnd(ended, id, 'ended')
    const notEnded = () => ended.delete(id)
    const told = (error: unknown) => {
      if (error) notEnded()
      done?.(error)
    }
    // Some stores answer with a promise, and reject it only where nobody gave a callback.
    const work: unknown = done ? destroy(id, told) : destroy(id)
    if (work instanceof Promise) work.catch(notEnded)
    return work as undefined
  }

  // express-session's own; an id that it hands out once more is a new session's.
  if (generate) {
    store.generate = (req) => {
      generate(req)
      ended.delete(req.sessionID)
    }
  }

  store.set = (id, data, done) => {
    const { req } = data as { req?: Request }
    // What a host writes by itself is as it says, and what a store writes to touch it is not the host's word.
    if (!req && touching.has(id)) return ended.has(id) ? done?.() : set(id, data, done)
    if (!req) {
      ended.delete(id)
      return set(id, data, done)
    }
    const leaves = ended.get(id) === 'signing-out' && !isSomebodys(req, data as AppSession)
    // Passport takes its user out before it ends the session: should that fail, nobody is left in it.
    if (leaves) return setUnlessEnded()
    if (ended.has(id)) return done?.()
    if (stateOf(req)?.loadedSession !== id) return set(id, data, done)
    get(id, (error, stored) => {
      if (error && !isNotFound(error)) done?.(error)
      else if (stored && isSomebodys(req, stored as AppSession) && !ended.has(id)) setUnlessEnded()
      else done?.()
    })

    // Over a pool of connections the ending, sent later, may be done before.
    function setUnlessEnded() {
      set(id, data, (error) => {
        if (ended.get(id) === 'ended') destroy(id, () => done?.(error))
        else done?.(error)
      })
    }
  }

  // Some stores read the whole session for it, and write it again.
  if (touch) {
    store.touch = (id, data, done) => {
      if (ended.has(id)) return done?.()
      const told = done as ((error?: unknown) => void) | undefined
      touching.set(id, (touching.get(id) ?? 0) + 1)
      touch(id, data, (error?: unknown) => {
        const others = (touching.get(id) ?? 1) - 1
        if (others > 0) touching.set(id, others)
        else touching.delete(id)
        if (ended.get(id) === 'ended') destroy(id, () => told?.(error))
        else told?.(error)
      })
    }
  }
}

/** Somebody is logged in with it, or half so. */
function isSomebodys(req: Request, session: AppSession): boolean {
  return hasPassportUser(req, session) || isHeld(session.secondFactor)
}
