import type { StagedEnrolment } from '../account/enrolment'
import { base32 } from '../authenticators/base32'
import { otpauthUri } from '../authenticators/otpauth-uri'
import { qrSvg } from '../authenticators/qr'
import type { Page, PageProblem } from '../pages/page'
import { expiryOf, type StagingPurpose } from '../session/enrolments'
import type { Visit } from './visit'

/** Shows an authenticator that is being set up: QR code, key, and the field for its first code. */
export async function answerSetUp(
  visit: Visit,
  purpose: StagingPurpose,
  staged: StagedEnrolment,
  status: number,
): Promise<void> {
  if (!visit.program) return visit.page(await setUpPage(visit, purpose, staged), status)
  const uri = uriOf(visit, staged)
  visit.json(
    {
      secret: base32(staged.secret),
      uri,
      qr: await qrSvg(uri),
      expiresAt: expiryOf(staged),
      csrfToken: visit.csrfToken(),
    },
    status,
  )
}

export async function setUpPage(
  visit: Visit,
  purpose: StagingPurpose,
  staged: StagedEnrolment,
  problem?: PageProblem,
): Promise<Page> {
  const uri = uriOf(visit, staged)
  return {
    name: 'enable',
    purpose,
    qr: await qrSvg(uri),
    uri,
    key: (base32(staged.secret).match(/.{4}/g) as string[]).join(' '),
    issuer: visit.rooms.settings.issuer,
    accountName: visit.account.name,
    enrolment: String(staged.startedAt),
    demanded: visit.mustEnrol,
    ...(problem && { problem }),
  }
}

function uriOf({ rooms, account }: Visit, staged: StagedEnrolment): string {
  return otpauthUri(rooms.settings.issuer, account.name, staged.secret)
}
