import { secretOf } from './accounts.mjs'
import { library } from './library.mjs'

const { AccountRecords } = library('account/records')
const { enrol } = library('account/enrolment')
const { newBackupCodes } = library('account/backup-codes')
const { Keyring } = library('crypto/keyring')

let codes

/** Enrols accounts `first` to `last` as the rule does, each with one conditional write; they share backup codes. */
export async function enrolAccounts(store, keys, first, last, now = Date.now) {
  const records = new AccountRecords(store, new Keyring(keys), now)
  codes ??= await newBackupCodes(5, now())
  let next = first
  const work = async () => {
    while (next <= last) {
      const n = next++
      await records.transact(`${n}`, (record) =>
        enrol(record, { secret: secretOf(n), step: 0, clockSide: 0 }, codes.set, now()),
      )
    }
  }
  await Promise.all(Array.from({ length: 10 }, work))
}
