import type { Attempt } from './calculate.ts'

export type RunRequest = {
  readonly run: string
  /** Of its text: what was started for another text of the same name is ended first. */
  readonly digest: string
  readonly metric: string
  /** How many parts it has, from 0. */
  readonly parts: number
}

/** How a run ended. Whether a part is made is not said here but by the object that it left. */
export type RunEnd = {
  readonly attempts: readonly Attempt[]
  /** Why it ended before each part was made, as far as the runner knows. */
  readonly failure: string | undefined
}

export type WaitOptions = {
  readonly signal?: AbortSignal | undefined
  /** A part ended well: so many have. */
  readonly progress?: ((done: number) => void) | undefined
}

/** Starts `hearth jobs task RUN INDEX` for each part of a run somewhere. */
export type Runner = {
  /** For people: `kubernetes`. */
  readonly name: string
  /** Most parts that a run is worth. */
  readonly parts_max: number
  /**
   * Starts it, or goes on with one that is started; resolves when it is over. Raises the signal's reason and leaves it as
   * it is; `invalid` and `unauthorized` when it cannot be started, `unavailable` when nobody answers: it may be going on.
   */
  run(request: RunRequest, options: WaitOptions): Promise<RunEnd>
  /**
   * Resolves when nothing of it is running, of this text only where it is given; one that is not there is fine. Raises
   * `unavailable` when nobody answers, and the signal's reason.
   */
  end(run: string, digest?: string, options?: EndOptions): Promise<void>
}

export type EndOptions = {
  readonly signal?: AbortSignal | undefined
  /** Once it aborts, who does not answer is not waited for much longer. */
  readonly hurry?: AbortSignal | undefined
}
