import { inPlaceOfDamaged } from './damaged'
import type { SecondFactorStore, StoredRecord } from './store'

/** The rows of several accounts, in the order of their ids, also from a store that has no `getMany`. */
export async function rowsOf(
  store: SecondFactorStore,
  accountIds: readonly string[],
): Promise<(StoredRecord | null)[]> {
  if (store.getMany) return store.getMany(accountIds)
  return Promise.all(
    accountIds.map(async (accountId) => {
      try {
        return await store.get(accountId)
      } catch (error) {
        return inPlaceOfDamaged(error)
      }
    }),
  )
}
