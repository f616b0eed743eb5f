import { createHash, randomBytes } from 'node:crypto'
import { knownAccountId } from '../account/account-id'

/** Names an account and something of it, so that it is found without an index. */
export interface Named {
  accountId: string
  key: string
}

/** 255 characters of an account id in UTF-8, in base64. */
const LONGEST = 1400

/** The id of a request, as administrators' URLs have it: no secret. */
export function newRequestKey(): string {
  return randomBytes(12).toString('base64url')
}

/** A ticket for a mail, 256 random bits and the account; only its hash is kept. */
export function newTicket(accountId: string): { ticket: string; hash: string } {
  const key = randomBytes(32).toString('base64url')
  return { ticket: join({ accountId, key }), hash: hashOfTicket(key) }
}

/** Of 256 random bits no slower hash is needed. */
export function hashOfTicket(key: string): string {
  return createHash('sha256').update(key).digest('base64')
}

export function join({ key, accountId }: Named): string {
  return `${key}.${Buffer.from(accountId).toString('base64url')}`
}

/** Reads the id of a request; null: it has no such shape. */
export const readRequestId = (text: unknown): Named | null => read(text, 16)

/** Reads a ticket; null: it has no such shape. */
export const readTicket = (text: unknown): Named | null => read(text, 43)

/** The end of a page of requests, as a URL has it. */
export function cursorOf({ askedAt, accountId }: { askedAt: number; accountId: string }): string {
  return join({ key: String(askedAt), accountId })
}

/** Reads such an end; null: it has no such shape. */
export function readCursor(text: unknown): { askedAt: number; accountId: string } | null {
  const named = read(text, 13)
  return named && /^\d+$/.test(named.key) ? { askedAt: Number(named.key), accountId: named.accountId } : null
}

function read(text: unknown, keyLength: number): Named | null {
  if (typeof text !== 'string' || text.length > LONGEST) return null
  const [key = '', encoded = '', ...rest] = text.split('.')
  if (rest.length > 0 || key.length !== keyLength || !/^[\w-]+$/.test(key)) return null
  const named = { key, accountId: Buffer.from(encoded, 'base64url').toString() }
  // One name for each: another spelling of the same bytes is none.
  return knownAccountId(named.accountId) !== null && join(named) === text ? named : null
}
