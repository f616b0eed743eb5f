import type { Database } from 'libsql'

export interface Transfer {
  id: number
  to: string
  /** In pounds. */
  amount: number
  at: string
}

const OPENING_PENCE = 250_000

/** Every account begins with the same sum; what has left it is in one table. */
export class Transfers {
  constructor(private readonly db: Database) {
    db.exec(`create table if not exists transfers (
      id integer primary key,
      user_id integer not null,
      recipient text not null,
      pence integer not null,
      at text not null
    )`)
  }

  balanceOf(userId: number): number {
    const [row] = this.db.prepare('select total(pence) as spent from transfers where user_id = ?').all(userId)
    return (OPENING_PENCE - (row as { spent: number }).spent) / 100
  }

  listOf(userId: number): Transfer[] {
    return this.db
      .prepare('select id, recipient, pence, at from transfers where user_id = ? order by id desc limit 5')
      .all(userId)
      .map((row) => {
        const { id, recipient, pence, at } = row as {
          id: number
          recipient: string
          pence: number
          at: string
        }
        return { id, to: recipient, amount: pence / 100, at }
      })
  }

  /** Null when the balance does not reach: looked at and taken off in one statement. */
  make(userId: number, to: string, amount: number): Transfer | null {
    const pence = Math.round(amount * 100)
    const at = new Date().toISOString()
    const { changes, lastInsertRowid } = this.db
      .prepare(
        `insert into transfers (user_id, recipient, pence, at) select ?, ?, ?, ?
         where (select total(pence) from transfers where user_id = ?) + ? <= ?`,
      )
      .run(userId, to, pence, at, userId, pence, OPENING_PENCE)
    return changes === 1 ? { id: Number(lastInsertRowid), to, amount: pence / 100, at } : null
  }
}
