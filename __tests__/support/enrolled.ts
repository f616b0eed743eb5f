import type { SecondFactorStore, StoredRecord } from 'express-second-factor'
import { createTestApp, type TestApp, type TestAppOptions, type User, users } from './app'
import { Authenticator } from './authenticator'
import { Client, enrol } from './client'
import type { Clock } from './clock'

interface Enrolment {
  record: StoredRecord
  secret: string
  backupCodes: string[]
}

const enrolments = new Map<string, Promise<Enrolment>>()

/** Enrols each user once a test file, at the clock's first moment: the record can be put into any store. */
function enrolmentOf(username: string): Promise<Enrolment> {
  const known = enrolments.get(username) ?? makeEnrolment(username)
  enrolments.set(username, known)
  known.catch(() => enrolments.delete(username))
  return known
}

async function makeEnrolment(username: string): Promise<Enrolment> {
  const { app, store, clock } = createTestApp()
  const { secret, backupCodes } = await enrol(new Client(app), clock.now, username)
  return {
    record: (await store.get((users[username] as User).id)) as StoredRecord,
    secret,
    backupCodes,
  }
}

/** What the owner of an account has at hand. */
export interface Factor {
  phone: Authenticator
  backupCodes: string[]
}

/** Writes the record of an enrolled account. The code of the clock's first step is used. */
export async function putEnrolled(
  store: SecondFactorStore,
  clock: Clock,
  username = 'alice',
): Promise<Factor> {
  const { record, secret, backupCodes } = await enrolmentOf(username)
  await store.compareAndSet((users[username] as User).id, 0, record)
  return { phone: new Authenticator(secret, clock.now), backupCodes: [...backupCodes] }
}

/** The test app with an account that has a second factor: alice. */
export async function createEnrolledApp(options: TestAppOptions = {}): Promise<TestApp & Factor> {
  const testApp = createTestApp(options)
  return { ...testApp, ...(await putEnrolled(testApp.store, testApp.clock)) }
}

/** Logs in and proves the second factor with the code of the next step. */
export async function signIn(client: Client, phone: Authenticator, clock: Clock, username = 'alice') {
  clock.nextStep()
  await client.login(username)
  const answer = await client.challenge(phone.code())
  if (answer.status !== 200 && answer.status !== 303) {
    throw new Error(`signing in failed: ${answer.status} ${answer.text}`)
  }
  return answer
}
