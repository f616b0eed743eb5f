import { CodeStrategy } from './code-strategy'

/** `passport.authenticate('backup-code')`: a one-time backup code (NIST SP 800-63B: look-up secret). */
export class BackupCodeStrategy extends CodeStrategy {
  override readonly name = 'backup-code'
}
