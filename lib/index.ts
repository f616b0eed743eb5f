export type { AccountStatus } from './account/accounts'
export type { TrustedDevice } from './account/devices'
export type { Method } from './account/record'
export { type Rotation, RotationError, type RotationOptions, type RotationProgress } from './account/rotation'
export type { AdminOptions } from './admin/options'
export { auditSql } from './audit/migration'
export type { LoggedEvent } from './audit/row'
export { type AuditQuery, SqlAuditLog, type SqlAuditLogOptions } from './audit/sql-audit-log'
export {
  type AccountLookup,
  BadCursorError,
  type DirectoryPage,
  type DirectoryQuery,
  type DirectoryStatus,
  type DirectoryTotals,
  type DirectoryUser,
  type UserDirectory,
} from './directory/directory'
export { type HostUsers, joinedDirectory } from './directory/joined-directory'
export type { SqlDirectoryColumns } from './directory/sql/layout'
export { directorySql } from './directory/sql/statements'
export { SqlDirectory, type SqlDirectoryOptions } from './directory/sql-directory'
export { type DirectorySync, DirectorySyncError, type SyncOptions, type SyncProgress } from './directory/sync'
export type { Duration } from './duration'
export { ConfigurationError, type ProblemCode, UnavailableError } from './errors'
export type {
  AuditLog,
  EventDetails,
  EventName,
  EventOrigin,
  Listener,
  ProvenBy,
  Purpose,
  SecondFactorEvent,
  SecondFactorEvents,
} from './events/events'
export type { MailTransport, NotifyOptions, Recipient } from './mail/options'
export type { AccountName, HostCsrf, Policy, SecondFactorOptions } from './options'
export type { Layout, LayoutParts } from './pages/renderer'
export type { Support } from './pages/support'
export type { RecoveryOptions } from './recovery/options'
export { createSecondFactor, type SecondFactor } from './second-factor'
export type { Demand } from './session/demand'
export type { PolicyPreview } from './session/policy-preview'
export type { FactorState, RequestFactor } from './session/request-factor'
export type { RequirementOptions } from './session/require-second-factor'
export type { VerifiedSession } from './session/verify-session'
export { MemoryStore } from './stores/memory'
export { RedisStore, type RedisStoreOptions } from './stores/redis'
export { SqlStore, type SqlStoreOptions } from './stores/sql'
export { migrationSql, type SqlDialect } from './stores/sql/migration'
export type { SecondFactorStore, StoredRecord, StoreReport } from './stores/store'
export { BackupCodeStrategy } from './strategies/backup-code-strategy'
export type { CodeStrategyOptions, RefusedCode } from './strategies/code-strategy'
export { TotpStrategy } from './strategies/totp-strategy'
