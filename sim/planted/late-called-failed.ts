import type { Plant } from '../plant.ts'

/** A result after the deadline ends the command as one that did not work. */
export const lateCalledFailed: Plant = {
  name: 'late called failed',
  breaks: 'each command has one outcome, and a true one',
  core: (core) => ({
    ...core,
    result(hub, said) {
      const late = core.find(said.command)?.outcome === 'expired' && said.stage === 'executed'
      core.result(hub, late ? { ...said, stage: 'rejected', reason: 'too late' } : said)
    },
  }),
}
