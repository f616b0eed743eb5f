import type { Compilable, CompiledQuery, Kysely, QueryResult } from 'kysely'

/**
 * A query that every login asks: Kysely builds and compiles it once, and from then on it is only given its values, in
 * the order in which its text has them. Building it anew takes longer than SQLite takes to answer.
 *
 * @param build the query, with any values
 */
export function compiledOnce<DB, Row>(build: (db: Kysely<DB>) => Compilable<Row>) {
  let compiled: CompiledQuery<Row> | undefined
  return (db: Kysely<DB>, ...values: unknown[]): Promise<QueryResult<Row>> => {
    compiled ??= build(db).compile()
    return db.executeQuery({ ...compiled, parameters: values })
  }
}
