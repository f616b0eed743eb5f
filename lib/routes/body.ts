import express, { type Request, type Response } from 'express'
import type { ProblemCode } from '../errors'

/** Far more than any of our forms. */
const LIMIT = '16kb'

const parsers = [express.urlencoded({ extended: false, limit: LIMIT }), express.json({ limit: LIMIT })]

/** Reads a form or JSON into `req.body`, unless the host has done so; what is wrong with it, or null. */
export async function readBody(req: Request, res: Response): Promise<ProblemCode | null> {
  for (const parse of parsers) {
    const error = await new Promise<unknown>((resolve) => parse(req, res, resolve))
    if (error) return (error as { status?: number }).status === 413 ? 'too_large' : 'malformed'
  }
  return null
}
