import type { SecondFactorStore } from '../stores/store'
import { Failure } from './command'

/** As docs/recovery.md has it. */
export const RECOVERY_TABLE = { kind: 'table', name: 'second_factor_recoveries' } as const
export const RECOVERY_PREFIX = { kind: 'prefix', name: 'second-factor-recovery:' } as const

/** How long it takes to find out that a server is not there, milliseconds. */
export const CONNECTING = 4000

/** Where a store is. */
export interface Address {
  url: string
  /** Where the URL was read: named instead of the URL, which may hold a password. */
  from: string
  /** The folder of the app: of its drivers, and of a path in the URL. */
  cwd: string
}

/** A store that the command line opened itself. */
export interface Opening {
  store: SecondFactorStore
  /** Another one over the same connection: in this table, or with this prefix of its keys. */
  beside(name: string): SecondFactorStore
  /** What the documentation calls the one of option `recovery`: `table second_factor_recoveries`. */
  recovery: { kind: 'table' | 'prefix'; name: string }
  close(): unknown
}

/** The URL as the drivers take it. @throws Failure */
export function parsed(url: string, from: string): URL {
  if (!URL.canParse(url))
    throw new Failure(
      `${from} is no URL as the drivers take it: special characters of a password are written as %40 and the like`,
    )
  return new URL(url)
}

/** Whoever asks the store is told, too. */
export function toldLater(): void {}
