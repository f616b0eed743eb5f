import type { DirectoryStatus } from '../../lib/directory/directory'
import { layoutOf } from '../../lib/directory/sql/layout'
import { type Part, UsersTable } from '../../lib/directory/sql/users-table'
import { SqlDirectory } from '../../lib/directory/sql-directory'
import { connect } from '../../lib/stores/sql/connect'
import { dialectOf } from '../../lib/stores/sql/dialects'
import { createUsers, databases, type HostDatabase } from './databases'

const { describeWith } = require('../support/tools')

jest.setTimeout(60_000)

const ROWS = 20_000
const all: Part = { column: 'name', prefix: null, unless: [] }
const byName: Part = { ...all, prefix: 'n12' }
const byEmail: Part = { column: 'email', prefix: 'e12', unless: [{ column: 'name', prefix: 'e12' }] }
const place = { key: 'n5', id: '7' }

/** What a page asks for, and the index that must answer it, with the part of the condition that it takes. */
const questions: [
  what: string,
  part: Part,
  status: DirectoryStatus,
  after: typeof place | null,
  index: string,
  range: boolean,
][] = [
  ['activated', all, 'activated', null, 'people_second_factor_name', false],
  ['not activated', all, 'not-activated', null, 'people_second_factor_name', false],
  ['activated, after a cursor', all, 'activated', place, 'people_second_factor_name', true],
  ['a prefix of the name, activated', byName, 'activated', null, 'people_second_factor_name', true],
  ['a prefix of the name, not activated', byName, 'not-activated', null, 'people_second_factor_name', true],
  ['a prefix of the e-mail', byEmail, 'activated', null, 'people_second_factor_email', true],
]

// On MariaDB, whose plans have another form, bench and property test must do.
for (const { name, needs, start } of databases.filter(({ name }) => name !== 'MariaDB')) {
  describeWith(needs, name, () => {
    let host: HostDatabase
    beforeAll(async () => {
      host = await start()
      await createUsers(host, 'people')
      const series =
        host.dialect === 'sqlite'
          ? `with recursive series(n) as (select 1 union all select n + 1 from series where n < ${ROWS}) select n from series`
          : `select n from generate_series(1, ${ROWS}) as n`
      await host.run(
        `insert into people (id, name, email) select n, 'N' || n, 'E' || n from (${series}) as numbers`,
      )
      await new SqlDirectory(host.database, { table: 'people', statusColumn: 'two_factor' }).migrate()
      await host.run('update people set two_factor = 1 where id % 2 = 0')
      await host.run(host.dialect === 'sqlite' ? 'analyze' : 'vacuum analyze people')
    })
    afterAll(() => host.stop())

    function compiled(part: Part, status: DirectoryStatus | null, after: typeof place | null) {
      const { db } = connect(host.database)
      const layout = layoutOf({ table: 'people', statusColumn: 'two_factor' })
      return new UsersTable(dialectOf(db), layout).query(part, status, after, 51).compile(db)
    }

    async function planOf(
      part: Part,
      status: DirectoryStatus | null,
      after: typeof place | null,
    ): Promise<string> {
      const { sql, parameters } = compiled(part, status, after)
      if (host.dialect === 'sqlite') {
        return (await host.run(`explain query plan ${sql}`, [...parameters]))
          .map(({ detail }) => detail)
          .join('\n')
      }
      const rows = await host.run(`explain (analyze, timing off, costs off) ${sql}`, [...parameters])
      return rows.map((row) => row['QUERY PLAN']).join('\n')
    }

    test.each(questions)('%s is one search in an index', async (_what, part, status, after, index, range) => {
      const plan = await planOf(part, status, after)
      if (host.dialect === 'sqlite') {
        const condition = range ? ' AND <expr>>\\?.*' : ''
        expect(plan).toMatch(
          new RegExp(`^SEARCH sf_user USING INDEX ${index} \\(two_factor=\\?${condition}\\)$`),
        )
      } else {
        expect(plan).toMatch(new RegExp(`^Limit.*\n +->  Index Scan using ${index} on people`))
        // Nothing else was read and thrown away, but what another part of the search has shown.
        if (part.unless.length === 0) expect(plan).not.toMatch(/Filter|Sort|Seq/)
        if (range) expect(plan).toMatch(/Index Cond: \(\(two_factor = [01]\) AND .*lower/)
      }
    })

    test('all users are two searches in an index, merged', async () => {
      const plan = await planOf(all, null, place)
      const searches =
        host.dialect === 'sqlite'
          ? /SEARCH sf_user USING INDEX people_second_factor_name/g
          : /Index Scan using people_second_factor_name/g
      expect(plan.match(searches)).toHaveLength(2)
      expect(plan).not.toMatch(/SCAN sf_user|Seq Scan/)
    })

    test('a page costs as many rows as it shows', async () => {
      const directory = new SqlDirectory(host.database, { table: 'people', statusColumn: 'two_factor' })
      const { users, next } = await directory.list({
        status: 'activated',
        search: 'n12',
        after: null,
        limit: 50,
      })
      expect(users).toHaveLength(50)
      expect(users.every(({ name, activated }) => name.startsWith('N12') && activated)).toBe(true)
      expect(next).not.toBeNull()
    })
  })
}
