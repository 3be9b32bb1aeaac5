import type { Notification } from './notification.ts'

/** Who is told. */
export type Receiver = {
  readonly name: string
  /** Of several changes of one alert it is told the last: it has no history. */
  readonly last_only?: boolean
  /** Resolves once it was taken. Raises `invalid` where it does not want this one, and anything else where it may come again. */
  tell(one: Notification, signal: AbortSignal): Promise<void>
  /** Told from time to time of all that fires, where the receiver forgets it else. */
  remind?(firing: readonly Notification[], signal: AbortSignal): Promise<void>
}
