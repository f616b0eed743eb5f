import type { NextFunction, Request, RequestHandler, Response } from 'express'

/** An asynchronous handler whose errors reach the error page on Express 4, too. */
export function caught(
  handler: (req: Request, res: Response, next: NextFunction) => Promise<unknown>,
): RequestHandler {
  return (req, res, next) => {
    handler(req, res, next).catch(next)
  }
}
