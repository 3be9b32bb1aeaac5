/**
 * V8's flags for a relay, whose commands wait while garbage is collected: a young generation of 2 MiB, which takes 1 ms to
 * go through and not 10, and an old one that may double before all of it is
 * (docs/decisions/129-the-collector-is-what-commands-wait-for.md).
 */
export const RELAY_FLAGS: readonly string[] = ['--max-semi-space-size=2', '--heap-growing-percent=100']
