import type { Accounts } from '../account/accounts'
import type { Reporter } from '../events/reporter'
import type { Answers } from '../pages/answers'
import type { AccountViews } from '../session/account-views'
import type { Admission } from '../session/admission'
import type { CodeSubmission } from '../session/code-submission'
import type { Enrolments } from '../session/enrolments'
import type { Settler } from '../session/settle'
import type { Settings } from '../settings'
import type { RecoveryRooms } from './recovery-rooms'

/** What the routes work with. */
export interface Rooms {
  settings: Settings
  accounts: Accounts
  views: AccountViews
  settler: Settler
  admission: Admission
  submission: CodeSubmission
  enrolments: Enrolments
  answers: Answers
  reporter: Reporter
  recovery: RecoveryRooms | null
}
