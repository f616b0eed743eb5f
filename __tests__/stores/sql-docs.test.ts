import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { migrationSql } from 'express-second-factor'

test('docs/sql.md shows the statements that the store runs', () => {
  const text = readFileSync(join(__dirname, '../../docs/sql.md'), 'utf8')
  const shown = [...text.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, sql]) => sql)
  const run = (['sqlite', 'postgres', 'mysql'] as const).map((dialect) =>
    migrationSql(dialect)
      .map((statement) => `${statement};\n`)
      .join(''),
  )
  expect(shown).toEqual(run)
})

test.each(['', 'a b', 'x; drop table users', 'a.b.c'])('no SQL is made for a table named %j', (table) => {
  expect(() => migrationSql('postgres', table)).toThrow(/SF_SQL_TABLE/)
})
