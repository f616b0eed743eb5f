import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { AccountRecords } from '../../lib/account/records'
import { Keyring } from '../../lib/crypto/keyring'
import {
  joinedDirectory,
  MemoryStore,
  type SecondFactorStore,
  UnavailableError,
  type UserDirectory,
} from '../../lib/index'
import { KEY } from '../support/app'
import { Client, enrol } from '../support/client'
import { putEnrolled } from '../support/enrolled'
import { ADMIN, type AdminApp, createAdminApp } from './support'

jest.setTimeout(30_000)

const crowd = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const name = `user ${String(i).padStart(3, '0')}`
    return { id: `c-${i}`, name, email: `${name.replace(' ', '')}@example.com` }
  })

const list = async (client: Client, query = '') => (await client.get(`${ADMIN}/users${query}`)).body

describe('JSON', () => {
  test('is what the contract says', async () => {
    const { admin, store, clock } = await createAdminApp()
    await putEnrolled(store, clock, 'bob')
    const client = await admin()
    const { body } = await client.get(`${ADMIN}/users`)
    expect(body).toEqual({
      users: [
        {
          id: 'u-alice',
          name: 'alice',
          email: 'alice@example.com',
          status: 'activated',
          methods: ['totp', 'backup-code'],
          since: '2026-05-03T12:00:15.000Z',
          backupCodesRemaining: 5,
          lastUsedAt: '2026-05-03T12:00:45.000Z',
          lockedUntil: null,
        },
        {
          id: 'u-bob',
          name: 'bob',
          email: 'bob@example.com',
          status: 'activated',
          methods: ['totp', 'backup-code'],
          since: '2026-05-03T12:00:15.000Z',
          backupCodesRemaining: 5,
          lastUsedAt: '2026-05-03T12:00:15.000Z',
          lockedUntil: null,
        },
      ],
      next: null,
      totals: { activated: 2, notActivated: 0 },
      csrfToken: expect.any(String),
    })
    const reset = await client.send('POST', `${ADMIN}/users/x/reset`, {}, { 'x-csrf-token': body.csrfToken })
    expect(reset.body.code).toBe('malformed')
  })

  test('a lock shows, and when it ends', async () => {
    const { app, admin, store, clock } = await createAdminApp()
    const { phone } = await putEnrolled(store, clock, 'bob')
    const client = await admin()
    const bob = new Client(app)
    await bob.login('bob')
    for (let i = 0; i < 5; i++) await bob.challenge(phone.wrongCode(i))
    const { users } = await list(client)
    expect(users[1].lockedUntil).toBe(new Date(clock.time + 30_000).toISOString())
    expect((await client.as('person').get(`${ADMIN}/users`)).text).toMatch(/Locked until <time/)
  })

  test('filter, search and pages: every user once, and no others', async () => {
    const more = crowd(120)
    const { admin, store, clock } = await createAdminApp({ more })
    await putEnrolled(store, clock, 'bob')
    const client = await admin()
    const seen: string[] = []
    for (let query = '?status=not-activated&q=USER', pages = 0; pages < 9; pages++) {
      const { users, next } = await list(client, query)
      seen.push(...users.map(({ id }: { id: string }) => id))
      if (pages === 0) expect(users).toHaveLength(50)
      if (next === null) break
      query = `?status=not-activated&q=USER&after=${encodeURIComponent(next)}`
    }
    expect(seen).toEqual(more.map(({ id }) => id))
    expect((await list(client, '?q=user001@')).users.map(({ id }: { id: string }) => id)).toEqual(['c-1'])
    expect((await list(client, '?status=activated&q=user')).users).toEqual([])
    expect((await list(client, '?status=&q=&after=')).users).toHaveLength(50)
  })

  test('a search finds names however their letters are typed', async () => {
    const { admin } = await createAdminApp({
      more: [{ id: 'jose', name: 'Jos\u00e9 \u00c1lvarez', email: 'jose@example.com' }],
    })
    const client = await admin()
    for (const typed of ['Jose\u0301', 'jos\u00e9 a\u0301']) {
      const { users } = await list(client, `?q=${encodeURIComponent(typed)}`)
      expect([typed, users.map(({ id }: { id: string }) => id)]).toEqual([typed, ['jose']])
    }
    const long = `?q=${encodeURIComponent('e\u0301'.repeat(100))}`
    expect((await client.get(`${ADMIN}/users${long}`)).status).toBe(200)
  })

  test.each([
    '?status=on',
    '?status=activated&status=activated',
    '?q=a&q=b',
    `?q=${'a'.repeat(101)}`,
    '?q=%00',
    '?after=x',
    '?after=WzAsImEiXQ',
    `?after=${'a'.repeat(9000)}`,
    '?after=x&after=x',
  ])('%s is malformed', async (query) => {
    const { admin } = await createAdminApp()
    const client = await admin()
    for (const path of ['/users', '/users.csv']) {
      const { status, body } = await client.get(`${ADMIN}${path}${query}`)
      expect([status, body.code]).toEqual([400, 'malformed'])
      const page = await client.as('person').get(`${ADMIN}${path}${query}`)
      expect([page.status, page.type]).toEqual([400, 'text/html'])
    }
  })

  test('a column that is wrong is put right when it is shown', async () => {
    const { admin, directory } = await createAdminApp()
    await directory.note?.('u-alice', false)
    await directory.note?.('u-bob', true)
    const client = await admin()
    const ids = async (status: string) =>
      (await list(client, `?status=${status}`)).users.map((user: { id: string; status: string }) => [
        user.id,
        user.status,
      ])
    // Found by the column, and shown as it is.
    expect(await ids('activated')).toEqual([['u-bob', 'not-activated']])
    expect(await ids('not-activated')).toEqual([
      ['u-alice', 'activated'],
      ['u-bob', 'not-activated'],
    ])
    expect(await ids('activated')).toEqual([['u-alice', 'activated']])
  })

  describe('of a directory in trouble', () => {
    const said: string[] = []
    beforeEach(() => {
      said.length = 0
      jest.spyOn(process, 'emitWarning').mockImplementation((text) => void said.push(String(text)))
    })
    afterEach(() => jest.restoreAllMocks())
    const fails = () => Promise.reject(new Error('down'))
    const people = async () => ({
      users: Array.from({ length: 40 }, (_, i) => ({ id: `p-${i}`, name: '', email: '', activated: true })),
      next: null,
    })

    test('that cannot count, the list comes without totals', async () => {
      const { admin } = await createAdminApp({ admin: { directory: { list: people, totals: fails } } })
      const { users, totals } = await list(await admin())
      expect([users.length, totals]).toEqual([40, null])
      expect(said).toEqual(['The directory could not count its users: down'])
    })

    test('that is slow to count, the open requests are counted meanwhile', async () => {
      const store = new MemoryStore()
      let goOn = () => {}
      const totals = async () => {
        await new Promise<void>((resolve) => {
          goOn = resolve
        })
        return { activated: 98765432, notActivated: 5678 }
      }
      const { admin } = await createAdminApp({
        admin: { directory: { list: people, totals } },
        secondFactor: { recovery: { store } },
      })
      const client = await admin()
      const { list } = store
      store.list = (...page) => {
        goOn()
        return list.apply(store, page)
      }
      const { text } = await client.as('person').get(`${ADMIN}/users`)
      expect(text.replace(/\D/g, '')).toContain('98765432')
    })

    test('that takes no news, the list comes, and it is said once until it takes some', async () => {
      let [atOnce, most, works] = [0, 0, false]
      const note = async () => {
        most = Math.max(most, ++atOnce)
        await turn()
        atOnce -= 1
        if (!works) throw new Error('read-only')
      }
      const { admin } = await createAdminApp({ admin: { directory: { list: people, note } } })
      const client = await admin()
      for (works of [false, false, true, false]) expect((await list(client)).users).toHaveLength(40)
      expect(said).toEqual(Array(2).fill('The directory did not take what the records say: read-only'))
      // Not as many as there are users.
      expect(most).toBeLessThanOrEqual(5)
    })

    test.each<[string, Parameters<typeof createAdminApp>[0], string]>([
      ['list', { admin: { directory: { list: () => new Promise(() => {}) } } }, '/users'],
      [
        'get',
        { admin: { directory: { list: people, get: () => new Promise(() => {}) } } },
        '/users/u-bob/reset',
      ],
      ['authorize', { admin: { authorize: () => new Promise(() => {}) } }, '/users'],
    ])('that never answers (%s), the page is 503', async (_what, options, path) => {
      const told: string[] = []
      const { admin } = await createAdminApp({
        ...options,
        secondFactor: { storeTimeout: '20s', onUnavailable: ({ message }) => void told.push(message) },
      })
      const client = await admin()
      // Only what waits for half a minute: connections have timers of their own.
      const { setTimeout } = globalThis
      jest
        .spyOn(globalThis, 'setTimeout')
        .mockImplementation(((run: () => void, ms?: number) =>
          setTimeout(run, ms === 30_000 ? 0 : ms)) as typeof globalThis.setTimeout)
      const { status, body } = await client.get(ADMIN + path)
      expect([status, body.code]).toEqual([503, 'unavailable'])
      expect(told).toEqual([
        expect.stringMatching(/^(The directory|Option authorize of adminRouter) did not answer in time$/),
      ])
    })
  })

  test('what happens in the app is in the column and in the totals at once', async () => {
    const { admin, secondFactor, directory, app, clock } = await createAdminApp()
    const client = await admin()
    expect((await list(client)).totals).toEqual({ activated: 1, notActivated: 1 })
    const bob = new Client(app)
    await enrol(bob, clock.now, 'bob')
    expect((await list(client)).totals).toEqual({ activated: 2, notActivated: 0 })
    expect(await directory.get('u-bob')).toMatchObject({ activated: true })
    await secondFactor.reset('u-bob')
    expect((await list(client)).totals).toEqual({ activated: 1, notActivated: 1 })
    expect(await directory.get('u-bob')).toMatchObject({ activated: false })
  })

  test('a record that cannot be read shows as such, and hides no others', async () => {
    let damaged = false
    const behind = (store: SecondFactorStore): SecondFactorStore => ({
      get: (id) => store.get(id),
      compareAndSet: (...all) => store.compareAndSet(...all),
      getMany: async (ids) => {
        const rows = (await store.getMany?.(ids)) ?? []
        return damaged
          ? rows.map((row, i) =>
              ids[i] === 'u-bob' ? { version: 3, activated: false, sealed: 'v1.x' } : row,
            )
          : rows
      },
    })
    const { admin } = await createAdminApp({ behind })
    const client = await admin()
    damaged = true
    const { users } = await list(client)
    expect(users[0].status).toBe('activated')
    expect(users[1]).toEqual({
      id: 'u-bob',
      name: 'bob',
      email: 'bob@example.com',
      status: 'unavailable',
      methods: [],
      since: null,
      backupCodesRemaining: null,
      lastUsedAt: null,
      lockedUntil: null,
    })
    expect((await client.as('person').get(`${ADMIN}/users`)).text).toContain('Cannot be read')
  })

  test('a page costs one question of the store, and one of those that have no getMany each', async () => {
    const asked: string[] = []
    const more = crowd(60)
    const counting = (store: SecondFactorStore, many: boolean): SecondFactorStore => ({
      get(id) {
        asked.push(id)
        return store.get(id)
      },
      compareAndSet: (...all) => store.compareAndSet(...all),
      ...(many && {
        getMany(ids) {
          asked.push(`${ids.length} at once`)
          return store.getMany?.(ids) as never
        },
      }),
    })
    for (const many of [true, false]) {
      const { admin } = await createAdminApp({ more, behind: (store) => counting(store, many) })
      const client = await admin()
      asked.length = 0
      await list(client)
      // The administrator's own account first.
      expect(asked).toEqual(many ? ['u-alice', '50 at once'] : ['u-alice', ...asked.slice(1)])
      expect(asked).toHaveLength(many ? 2 : 51)
    }
  })
})

describe('a joined directory', () => {
  const more = crowd(200)
  /** The host's own list, and what it was asked for. */
  function host(asked: unknown[] = []): UserDirectory {
    const all = [{ id: 'u-alice', name: 'alice', email: 'alice@example.com' }, ...more]
    return joinedDirectory({
      async list({ search, after, limit }) {
        asked.push([after, limit])
        const found = all.filter(({ name }) => !search || name.startsWith(search))
        const from = after === null ? 0 : Number(after)
        return {
          users: found.slice(from, from + limit),
          next: from + limit < found.length ? String(from + limit) : null,
        }
      },
      get: async (id) => all.find((user) => user.id === id) ?? null,
      count: async () => all.length,
    })
  }

  test('reads on until a page is full, and each user once', async () => {
    const { admin, clock } = await createAdminApp({ admin: { directory: host() } })
    const client = await admin()
    const seen: string[] = []
    for (let after = ''; ; ) {
      const { users, next, totals } = await list(client, `?status=not-activated&after=${after}`)
      expect(totals).toEqual({ activated: 1, notActivated: 200 })
      seen.push(...users.map(({ id }: { id: string }) => id))
      if (next === null) break
      after = next
    }
    expect(seen).toEqual(more.map(({ id }) => id))
    expect((await list(client, '?status=activated')).users.map(({ id }: { id: string }) => id)).toEqual([
      'u-alice',
    ])
    expect((await list(client, '?q=user%20001')).users).toHaveLength(1)
    await enrol(new Client(client.app), clock.now, 'bob')
    expect((await list(client)).totals).toEqual({ activated: 2, notActivated: 199 })
  })

  test('reads so many pages for one, and then shows what it has, with a cursor', async () => {
    const asked: unknown[] = []
    const { admin } = await createAdminApp({ admin: { directory: host(asked), limit: 5 } })
    const client = await admin()
    const { users, next } = await list(client, '?status=activated&q=user')
    expect(users).toEqual([])
    expect(asked).toHaveLength(20)
    expect(next).toBe('100')
    expect((await client.as('person').get(`${ADMIN}/users?status=activated&q=user`)).text).toMatch(
      /rel="next"/,
    )
  })

  test('without list it is no directory', () => {
    expect(() => joinedDirectory({} as never)).toThrow(expect.objectContaining({ code: 'SF_DIRECTORY_LIST' }))
  })
})

describe('the page', () => {
  test('names, filter, search, pages and totals, all escaped', async () => {
    const more = [
      ...crowd(60),
      { id: 'x"/<', name: '<script>alert(1)</script>', email: '"><b>@example.com' },
      { id: 'nameless', name: null, email: 'anonymous@example.com' },
    ]
    const { admin } = await createAdminApp({ more })
    const client = (await admin()).as('person')
    const first = await client.get(`${ADMIN}/users`)
    expect(first.status).toBe(200)
    expect(first.text).not.toContain('<script>alert')
    expect(first.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(first.text).toMatch(/<rect width="1.56%"/)
    expect(first.text).toContain('1 of 64 users has two-factor authentication (1.6%)')
    const next = /href="([^"]*)"[^>]*>Next page/.exec(first.text)?.[1]?.replaceAll('&amp;', '&') as string
    const second = await client.get(next)
    expect(second.text).toContain('First page')
    expect(second.text).not.toContain('Next page')
    const found = await client.get(`${ADMIN}/users?q=%22%3E&status=not-activated`)
    expect(found.text).toContain('value="&#34;&gt;"')
    expect(found.text).toContain('/users.csv?status=not-activated&amp;q=%22%3E')
    expect((await client.get(`${ADMIN}/users?q=zzz`)).text).toContain('Nobody was found.')
    // Alice is the administrator: somebody else resets hers.
    const own = await client.get(`${ADMIN}/users?status=activated`)
    expect(own.text).not.toContain(`/users/u-alice/reset`)
    expect(own.text).toMatch(/alice@example\.com[\s\S]*<td class="sf-act"><span[^>]*>You<\/span><\/td>/)
  })
})

describe('CSV', () => {
  const evil = [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    '＝1',
    '＋1',
    '－1',
    '＠a',
    'a","=1',
    'x;=1',
    'x,+1',
    "'=1",
    '"=cmd|\' /C calc\'!A0"',
    ' =1',
    'a|@b',
    '\u200b=1',
    '\u00ad \u2066=1',
  ]
  /** As a spreadsheet reads it: cells in quotes, quotes doubled. */
  function cellsOf(text: string): string[][] {
    expect(text.startsWith('\ufeff')).toBe(true)
    return text
      .slice(1)
      .split('\r\n')
      .slice(0, -1)
      .map((line) =>
        [...line.matchAll(/(?:^|,)"((?:[^"]|"")*)"/g)].map(([, cell]) =>
          (cell as string).replaceAll('""', '"'),
        ),
      )
  }

  test('has all that are found, and no formulas', async () => {
    const more = [
      ...crowd(1200),
      ...evil.map((name, i) => ({ id: `e-${i}`, name, email: `${name}@example.com` })),
    ]
    const { admin } = await createAdminApp({ more })
    const client = await admin()
    const answer = await client.get(`${ADMIN}/users.csv`)
    expect(answer.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="users.csv"',
      'cache-control': 'no-store',
    })
    const [head, ...rows] = cellsOf(answer.text)
    expect(head).toEqual([
      'id',
      'name',
      'email',
      'status',
      'methods',
      'since',
      'backupCodesRemaining',
      'lastUsedAt',
      'lockedUntil',
      'suspended',
    ])
    expect(rows).toHaveLength(more.length + 2)
    expect(rows.find(([id]) => id === 'u-alice')).toEqual([
      'u-alice',
      'alice',
      'alice@example.com',
      'activated',
      'totp backup-code',
      '2026-05-03T12:00:15.000Z',
      '5',
      '2026-05-03T12:00:45.000Z',
      '',
      '',
    ])
    for (const cells of rows) {
      expect(cells).toHaveLength(10)
      for (const cell of cells) {
        expect(cell).not.toMatch(/[\t\r\n]/)
        // Whatever separator it is read with.
        for (const part of cell.split(/[,;|"]/)) expect(part).not.toMatch(/^\s*[=+\-@＝＋－＠]/)
      }
    }
    expect(rows.find(([id]) => id === 'e-0')?.[1]).toBe("'=1+1")
    const some = await client.get(`${ADMIN}/users.csv?status=activated&q=a`)
    expect(cellsOf(some.text).map(([id]) => id)).toEqual(['id', 'u-alice'])
    // From a place in the list on.
    const { users, next } = await list(client)
    const onward = await client.get(`${ADMIN}/users.csv?${new URLSearchParams({ after: next })}`)
    const ids = users.map(({ id }: { id: string }) => id)
    expect([
      ...ids,
      ...cellsOf(onward.text)
        .slice(1)
        .map(([id]) => id),
    ]).toEqual(rows.map(([id]) => id))
  })

  test('a method that is locked for good shows, here and in the list', async () => {
    const { admin, store, clock } = await createAdminApp()
    await putEnrolled(store, clock, 'bob')
    await new AccountRecords(store, new Keyring([KEY]), clock.now).transact('u-bob', (record) => ({
      record: { ...record, failures: { ...record.failures, totp: { count: 100, lockedUntil: 0 } } },
      outcome: null,
    }))
    const client = await admin()
    const { users } = await list(client)
    expect(users.map(({ suspended }: { suspended?: boolean }) => suspended)).toEqual([undefined, true])
    expect(users[1].lockedUntil).toBeNull()
    const [head = [], alice, bob] = cellsOf((await client.get(`${ADMIN}/users.csv`)).text)
    const of = (row: string[] = []) => [row[head.indexOf('lockedUntil')], row[head.indexOf('suspended')]]
    expect([of(alice), of(bob)]).toEqual([
      ['', ''],
      ['', 'true'],
    ])
  })

  test('HEAD is the headers alone', async () => {
    const { admin } = await createAdminApp()
    const answer = await (await admin()).send('HEAD', `${ADMIN}/users.csv`)
    expect([answer.status, answer.type, answer.text]).toEqual([200, 'text/csv', ''])
  })

  /** A directory without end, or one that fails on the way. */
  function endless(
    reads: { count: number },
    failsAt = Number.POSITIVE_INFINITY,
    failure: () => Error = () => new Error('gone'),
  ): UserDirectory {
    return {
      async list({ after, limit }) {
        const from = Number(after ?? 0)
        reads.count += 1
        // As a database does, it lets others have a turn.
        await turn()
        if (reads.count >= failsAt) throw failure()
        const users = Array.from({ length: limit }, (_, i) => ({
          id: `n-${from + i}`,
          name: 'n'.repeat(200),
          email: 'e',
        }))
        return { users, next: String(from + limit) }
      },
    }
  }

  async function listening(
    directory: UserDirectory,
    errors: unknown[] = [],
  ): Promise<{ app: AdminApp; server: Server; cookie: string }> {
    const app = await createAdminApp({
      admin: { directory },
      secondFactor: { onUnavailable() {} },
      routes: (app) => {
        app.use(((error, _req, _res, next) => {
          errors.push(error)
          next(error)
        }) as import('express').ErrorRequestHandler)
      },
    })
    const client = await app.admin()
    const server = createServer(app.app)
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { app, server, cookie: [...client.cookies].map((pair) => pair.join('=')).join('; ') }
  }

  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.close()
      server.closeAllConnections()
    }
  })

  function get(server: Server, cookie: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { port } = server.address() as AddressInfo
      const headers = { cookie, accept: 'application/json' }
      request({ port, host: '127.0.0.1', path: `${ADMIN}/users.csv`, headers }, resolve)
        .on('error', reject)
        .end()
    })
  }

  test.each<[string, () => Error]>([
    ['directory', () => new Error('gone')],
    ['store', () => new UnavailableError('away')],
  ])(
    'a %s that fails in the middle ends the connection, not the file, and the app hears why',
    async (_what, failure) => {
      jest.spyOn(console, 'error').mockImplementation(() => {})
      const errors: unknown[] = []
      const { server, cookie } = await listening(endless({ count: 0 }, 4, failure), errors)
      const response = await get(server, cookie)
      expect(response.statusCode).toBe(200)
      const end = await new Promise<string>((resolve) => {
        response.on('data', () => {})
        response.on('end', () => resolve('whole'))
        response.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error'))
      })
      expect(end).toBe('ECONNRESET')
      expect(errors).toEqual([failure()])
    },
  )

  test('is read no faster than it is taken, and not at all for who is gone', async () => {
    const reads = { count: 0 }
    const { server, cookie } = await listening(endless(reads))
    const response = await get(server, cookie)
    response.pause()
    // It stops by itself: what fits into the buffers is read, and then nothing.
    let before = -1
    while (reads.count !== before && reads.count < 200) {
      before = reads.count
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect(before).toBeLessThan(200)
    response.destroy()
    // It is over for the server, too, and not read to an end that there is not.
    await new Promise((resolve) => server.close(resolve))
    expect(reads.count).toBeLessThan(200)
  })

  test('what fails at once is answered like anything else', async () => {
    const memory = new MemoryStore()
    let down = false
    const { admin } = await createAdminApp({
      secondFactor: { onUnavailable() {} },
      behind: () => ({
        get: (id) => memory.get(id),
        compareAndSet: (...all) => memory.compareAndSet(...all),
        getMany: (ids) => (down ? Promise.reject(new Error('down')) : memory.getMany(ids)),
      }),
    })
    const client = await admin()
    down = true
    for (const path of ['/users', '/users.csv']) {
      const { status, body } = await client.get(ADMIN + path)
      expect([status, body.code]).toEqual([503, 'unavailable'])
    }
  })
})
