import type { Generated } from 'kysely'
import { type Db, unlessThere } from './database'

export interface Transfer {
  id: number
  to: string
  /** In pounds. */
  amount: number
  at: string
}

export interface TransfersTable {
  id: Generated<number>
  user_id: number
  recipient: string
  pence: number
  at: string
}

const OPENING_PENCE = 250_000

/** Every account begins with the same sum; what has left it is in one table. */
export class Transfers {
  private constructor(private readonly db: Db) {}

  static async open(db: Db): Promise<Transfers> {
    const { name } = db.getExecutor().adapter.constructor
    await unlessThere(() =>
      db.schema
        .createTable('transfers')
        .ifNotExists()
        .addColumn('id', name.startsWith('Postgres') ? 'serial' : 'integer', (column) =>
          name.startsWith('Mysql') ? column.primaryKey().autoIncrement() : column.primaryKey(),
        )
        .addColumn('user_id', 'integer', (column) => column.notNull())
        .addColumn('recipient', 'varchar(100)', (column) => column.notNull())
        .addColumn('pence', 'integer', (column) => column.notNull())
        .addColumn('at', 'varchar(30)', (column) => column.notNull())
        .execute(),
    )
    return new Transfers(db)
  }

  /** In pounds. */
  async balanceOf(userId: number): Promise<number> {
    return (OPENING_PENCE - (await spentBy(this.db, userId))) / 100
  }

  async listOf(userId: number): Promise<Transfer[]> {
    const rows = await this.db
      .selectFrom('transfers')
      .selectAll()
      .where('user_id', '=', userId)
      .orderBy('id', 'desc')
      .limit(5)
      .execute()
    return rows.map(({ id, recipient, pence, at }) => ({ id, to: recipient, amount: pence / 100, at }))
  }

  /** False when the balance does not reach. */
  make(userId: number, to: string, amount: number): Promise<boolean> {
    const pence = Math.round(amount * 100)
    const at = new Date().toISOString()
    return this.db.transaction().execute(async (db) => {
      // Transfers of one user stand in line: whoever writes the user's row first goes first.
      await db
        .updateTable('users')
        .set(({ ref }) => ({ phone: ref('phone') }))
        .where('id', '=', userId)
        .execute()
      if ((await spentBy(db, userId)) + pence > OPENING_PENCE) return false
      await db.insertInto('transfers').values({ user_id: userId, recipient: to, pence, at }).execute()
      return true
    })
  }
}

async function spentBy(db: Db, userId: number): Promise<number> {
  const { spent } = await db
    .selectFrom('transfers')
    .select(({ fn }) => fn.sum('pence').as('spent'))
    .where('user_id', '=', userId)
    .executeTakeFirstOrThrow()
  return Number(spent ?? 0)
}
