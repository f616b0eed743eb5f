// Better Auth with its two-factor plugin, as its documentation mounts it in Express.

import { kyselyAdapter } from '@better-auth/kysely-adapter'
import { betterAuth } from 'better-auth'
import { symmetricEncrypt } from 'better-auth/crypto'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import { twoFactor } from 'better-auth/plugins'
import express from 'express'
import { sql } from 'kysely'
import { secretOf } from '../support/accounts.mjs'
import { counted, options, serve } from '../support/serve.mjs'
import { openDatabase } from '../support/stores.mjs'

const db = openDatabase(options.kind, options.url)
const type = options.kind === 'postgres' ? 'postgres' : 'sqlite'
const operations = [
  'create',
  'findOne',
  'findMany',
  'count',
  'update',
  'updateMany',
  'delete',
  'deleteMany',
  'consumeOne',
  'incrementOne',
]
const settings = {
  appName: 'Bench',
  baseURL: 'http://bench.test',
  secret: 'a secret of the benchmark, long enough for it',
  // Passwords are nobody's concern here.
  emailAndPassword: {
    enabled: true,
    password: { hash: async (password) => password, verify: async () => true },
  },
  plugins: [twoFactor()],
  // On in production; a load from one address would only measure that.
  ...(options.load !== false && { rateLimit: { enabled: false } }),
  telemetry: { enabled: false },
}
const { runMigrations } = await getMigrations({ ...settings, database: { db, type } })
if (options.accounts) await runMigrations()
const auth = betterAuth({
  ...settings,
  database: (given) => counted(kyselyAdapter(db, { type })(given), 'adapter', operations),
})

const { adapter, secretConfig } = await auth.$context
// What is put there beforehand need not reach the disk one by one.
if (type === 'sqlite') await sql`pragma synchronous = off`.execute(db)
const at = new Date()
for (let n = 1; n <= (options.accounts ?? 0); n++) {
  const id = `user-${n}`
  const times = { createdAt: at, updatedAt: at }
  const user = {
    id,
    name: `User ${n}`,
    email: `${n}@example.com`,
    emailVerified: true,
    twoFactorEnabled: n !== options.without,
    ...times,
  }
  await adapter.create({ model: 'user', data: user, forceAllowId: true })
  const account = { accountId: id, providerId: 'credential', userId: id, password: 'password', ...times }
  await adapter.create({ model: 'account', data: account })
  if (n === options.without) continue
  const secret = await symmetricEncrypt({ key: secretConfig, data: secretOf(n).toString() })
  await adapter.create({
    model: 'twoFactor',
    data: { secret, backupCodes: secret, userId: id, verified: true },
  })
}

if (type === 'sqlite') await sql`pragma synchronous = full`.execute(db)

const app = express()
app.all('/api/auth/{*any}', toNodeHandler(auth))
serve(app)
