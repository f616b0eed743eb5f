import express, { type Request } from 'express'
import {
  createSecondFactor,
  MemoryStore,
  type NotifyOptions,
  RedisStore,
  type SecondFactor,
  SqlAuditLog,
  SqlDirectory,
  SqlStore,
  TotpStrategy,
} from 'express-second-factor'
import { hostPassport, KEY, type User } from './support/app'

/** Most of mistakes.test.ts is what the compiler refuses already. Never run: `npm run check` compiles it. */
export function mistaken(
  secondFactor: SecondFactor,
  sql: ConstructorParameters<typeof SqlStore>[0],
  redis: ConstructorParameters<typeof RedisStore>[0],
): void {
  const app = express()
  // @ts-expect-error: without the parentheses
  app.use(secondFactor.session)
  // @ts-expect-error: without the parentheses
  app.use('/two-factor', secondFactor.router)
  // @ts-expect-error: without the parentheses
  app.use('/admin', secondFactor.adminRouter)
  // @ts-expect-error: without the parentheses
  app.get('/vault', secondFactor.requireSecondFactor)
  // @ts-expect-error: misspelt
  secondFactor.requireSecondFactor({ maxage: '5m' })
  // @ts-expect-error: misspelt
  secondFactor.events.on('enable', () => {})
  // @ts-expect-error: misspelt
  new SqlStore(sql, { tabel: 'x' })
  // @ts-expect-error: misspelt
  new SqlAuditLog(sql, { tabel: 'x' })
  // @ts-expect-error: misspelt
  new SqlDirectory(sql, { statusColum: 'x' })
  // @ts-expect-error: misspelt
  new RedisStore(redis, { prefx: 'x' })
  // @ts-expect-error: it takes nothing
  new MemoryStore({ ttl: 5 })
  // @ts-expect-error: misspelt
  new TotpStrategy(secondFactor, { codefield: 'pin' })

  const needed = { issuer: 'Acme', account: ({ id }: User) => ({ id }), store: new MemoryStore() }
  createSecondFactor<User>({ ...needed, keys: [KEY] })
  // @ts-expect-error: a text
  createSecondFactor<User>({ ...needed, keys: KEY })
  // @ts-expect-error: missing
  createSecondFactor<User>(needed)
  const { issuer, account, store } = needed
  // @ts-expect-error: misspelt
  createSecondFactor<User>({ issuer, account, store, keys: [KEY], returnTO: '/' })
  // @ts-expect-error: no function
  const recipients: NotifyOptions['recipients'] = ['a@b.example']
  void recipients
}

/** What Passport's own calls take of ours. */
export function rememberMe(req: Request, user: Express.User): void {
  req.login(user, { session: true, freshLogin: false }, () => {})
  req.logIn(user, { session: true, freshLogin: true }, () => {})
  hostPassport.authenticate('remember-me', { freshLogin: false })
  // @ts-expect-error: misspelt
  req.login(user, { session: true, freshlogin: false }, () => {})
  // @ts-expect-error: misspelt
  hostPassport.authenticate('remember-me', { freshlogin: false })
  // @ts-expect-error: a text
  req.login(user, { session: true, freshLogin: 'no' }, () => {})
}
