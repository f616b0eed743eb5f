import type { Request, Response } from 'express'

/** Programs are answered in JSON, people with pages. A browser that loads a document is never a program. */
export function isProgram(req: Request): boolean {
  if (req.get('sec-fetch-dest') === 'document') return false
  const accept = req.get('accept')?.toLowerCase().trim() || '*/*'
  return accept === '*/*' || (accept.includes('application/json') && !accept.includes('text/html'))
}

/** An error as RFC 9457 has it. */
export function sendProblem(
  res: Response,
  status: number,
  code: string,
  title: string,
  detail: string,
  more: object = {},
): void {
  res
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ status, title, detail, code, ...more }))
}
