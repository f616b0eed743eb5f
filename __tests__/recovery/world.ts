import {
  MemoryStore,
  type SecondFactorEvent,
  type SecondFactorOptions,
  type UserDirectory,
} from 'express-second-factor'
import { createTestApp, type TestApp, type TestAppOptions, type User, users } from '../support/app'
import { Client } from '../support/client'
import { type Factor, putEnrolled, signIn } from '../support/enrolled'

for (const name of ['ada', 'grace']) users[name] ??= { id: `u-${name}`, email: `${name}@example.com` }

export const HOUR = 3600
export const DAY = 24 * HOUR
export const right = { firstName: 'Alice', lastName: 'Liddell', phone: '+44 20 7946 0101' }
export const wrong = { firstName: 'Mallory', lastName: 'Doe', phone: '1' }

export interface SentMail {
  to: string
  subject: string
  text: string
  html: string
}

export interface World extends TestApp {
  requests: MemoryStore
  told: SecondFactorEvent[]
  mails: SentMail[]
  /** What the owners and the administrators have at hand. */
  factors: Record<string, Factor>
}

/**
 * An app in which alice, bob, and the administrators ada and grace have a second factor, and mails are kept. The mail
 * server is the business of mail.test.ts.
 */
export async function createWorld(
  recovery: Partial<NonNullable<SecondFactorOptions<User>['recovery']>> = {},
  more: Partial<SecondFactorOptions<User>> = {},
  { directory, ...appOptions }: TestAppOptions & { directory?: Partial<UserDirectory> } = {},
): Promise<World> {
  const requests = new MemoryStore()
  const mails: SentMail[] = []
  const made = createTestApp({
    ...appOptions,
    secondFactor: {
      revalidateAfter: 0,
      onUnavailable() {},
      recovery: {
        store: requests,
        check: (_user, answers) => answers.phone === right.phone,
        registered: () => right,
        ...recovery,
      },
      notify: {
        transport: { sendMail: async (mail) => mails.push(mail) },
        from: 'Acme <security@acme.example>',
        recipients: (id) => [Object.values(users).find((user) => user.id === id)?.email as string],
        settingsUrl: 'https://acme.example/two-factor',
      },
      ...more,
    },
    routes: (app, secondFactor) => {
      app.use(
        '/admin/two-factor',
        secondFactor.adminRouter({
          authorize: (req) =>
            /^u-(ada|grace|alice)$/.test((req.user as unknown as User | undefined)?.id ?? ''),
          directory: {
            list: async () => ({ users: [], next: null }),
            get: async (id) => {
              const user = Object.values(users).find((one) => one.id === id)
              return user ? { id, name: user.email.split('@')[0] as string, email: user.email } : null
            },
            ...directory,
          },
        }),
      )
      appOptions.routes?.(app, secondFactor)
    },
  })
  const told: SecondFactorEvent[] = []
  made.secondFactor.events.on('*', (event) => told.push(event))
  const factors: Record<string, Factor> = {}
  for (const name of ['alice', 'bob', 'ada', 'grace']) {
    factors[name] = await putEnrolled(made.store, made.clock, name)
  }
  return { ...made, requests, told, mails, factors }
}

export const factorOf = (world: World, name: string) => world.factors[name] as Factor

/** Somebody who knows the password, and no more. */
export async function pending(world: World, name = 'alice', kind: 'program' | 'person' = 'program') {
  const client = new Client(world.app, kind)
  await client.login(name)
  return client
}

/** Asks support. */
export async function ask(world: World, answers: object = right, name = 'alice') {
  const client = await pending(world, name)
  const response = await client.post('/two-factor/recovery', { ...answers })
  return { client, response }
}

/** Somebody who is signed in with a code. */
export async function signedIn(world: World, name: string, kind: 'program' | 'person' = 'program') {
  const client = new Client(world.app, kind)
  await signIn(client, factorOf(world, name).phone, world.clock, name)
  return client
}

export async function list(client: Client, state = '') {
  const query = state && `?state=${state}`
  return (await client.as('program').get(`/admin/two-factor/recovery${query}`)).body.requests
}

/** An administrator decides about a request: the first one in the list. */
export async function decide(
  world: World,
  what: 'approve' | 'reject',
  {
    name = 'ada',
    reason = 'Called back',
    client,
    id: named,
  }: { name?: string; reason?: string; client?: Client; id?: string } = {},
) {
  const admin = client ?? (await signedIn(world, name))
  const id: string = named ?? (await list(admin))[0].id
  world.clock.nextStep()
  const code = factorOf(world, name).phone.code()
  const body = { code, reason }
  const response = await admin.post(
    `/admin/two-factor/recovery/${id}/${what}`,
    body,
    '/admin/two-factor/recovery',
  )
  return { admin, response, id }
}

/** The ticket of the latest mail that has one. */
export function ticketOf({ mails }: World): string {
  const links = mails.flatMap(({ text }) => [...text.matchAll(/https:\S+\/recovery\/cancel\?ticket=(\S+)/g)])
  return decodeURIComponent((links.at(-1) as RegExpMatchArray)[1] as string)
}

export const eventsOf = ({ told }: World) =>
  told.map(({ name }) => name).filter((name) => name.startsWith('recovery'))

/** Lets what nobody waits for come to its end. */
export const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0))

/** Until it is so; a minute at most, by jest. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await settled()
}
