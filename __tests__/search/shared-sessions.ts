import session, { type MemoryStore } from 'express-session'

/**
 * The session stores of two processes: an object for each, as each process has one, over the same sessions. What a
 * process has ended by itself it knows by its own object, and the other one has to ask.
 */
export function sharedSessions(): [MemoryStore, MemoryStore] {
  const sessions: Record<string, string> = Object.create(null)
  const store = () => Object.assign(new session.MemoryStore(), { sessions })
  return [store(), store()]
}
