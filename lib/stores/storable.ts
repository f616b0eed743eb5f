/**
 * Two ids must never meet in one row: databases would cut the one of these at its NUL, and take all halves of
 * surrogate pairs for the same.
 *
 * @throws TypeError
 */
export function assertStorable(accountId: string): void {
  if (accountId.includes('\0') || Buffer.from(accountId).toString() !== accountId) {
    throw new TypeError('An account id with a NUL or half a surrogate pair cannot be stored')
  }
}
