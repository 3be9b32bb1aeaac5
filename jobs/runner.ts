import type { Attempt } from './calculate.ts'

export type RunRequest = {
  readonly run: string
  /** Of its text: what was started for another text of the same name is ended first. */
  readonly digest: string
  readonly metric: string
  /** How many parts it has, from 0. */
  readonly parts: number
}

export type WaitOptions = {
  readonly signal?: AbortSignal | undefined
  /** All tries of its parts so far, whenever there is news of them. */
  readonly heard: (attempts: readonly Attempt[]) => void
}

/** Starts `hearth jobs task RUN INDEX` for each part of a run somewhere. */
export type Runner = {
  /** For people: `kubernetes`. */
  readonly name: string
  /** Most parts that a run is worth. */
  readonly parts_max: number
  /**
   * Starts it, or goes on with one that is started; resolves when it is over, with why it ended before each part was made,
   * as far as the runner knows: whether one is made, the object tells that it left. Raises the signal's reason and leaves
   * it as it is; `invalid` and `unauthorized` when it cannot be started, `unavailable` when nobody answers: it may be going on.
   */
  run(request: RunRequest, options: WaitOptions): Promise<string | undefined>
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
