/** From the most talkative to the quietest. Apart from log.ts, so that reading the configuration loads no logger. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
