import type { Request } from 'express'
import type { Method } from '../account/record'

/** A second factor that was accepted: the store has it on record. */
export interface Proof {
  accountId: string
  epoch: number
  method: Method
  /** When it was asked for, milliseconds since 1970. */
  askedAt: number
}

const proofs = new WeakMap<Request, Proof>()

/** A strategy has proven a second factor: the `req.logIn` that Passport calls next lets the session in. */
export function recordProof(req: Request, proof: Proof): void {
  proofs.set(req, proof)
}

/** The proof of this request for this account. It serves once. */
export function takeProof(req: Request, accountId: string): Proof | null {
  const proof = proofs.get(req)
  proofs.delete(req)
  return proof?.accountId === accountId ? proof : null
}
