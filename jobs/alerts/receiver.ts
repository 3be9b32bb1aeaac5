import type { Notification } from './notification.ts'

/** Who is told. */
export type Receiver = {
  readonly name: string
  /** Resolves once all were taken; told again after a failure. Raises `unavailable` and `invalid` (it does not want them). */
  tell(notifications: readonly Notification[], signal: AbortSignal): Promise<void>
  /** Told from time to time of all that fires, where the receiver forgets it else. */
  remind?(firing: readonly Notification[], signal: AbortSignal): Promise<void>
}
