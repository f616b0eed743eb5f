import { CodeStrategy } from './code-strategy'

/** `passport.authenticate('totp')`: a code of the authenticator app (RFC 6238). */
export class TotpStrategy extends CodeStrategy {
  override readonly name = 'totp'
}
