import { directoryConformance } from './directory.conformance.ts'
import { memoryDirectory } from './memory-directory.ts'

directoryConformance('the directory in memory', async () => {
  const shared = memoryDirectory()
  return {
    open: async (relay) => shared.join({ relay, address: `${relay}.example:8983` }),
    die: (directory) => directory.close(),
    async empty() {
      shared.restore(new Map())
      shared.tellAnew()
    },
    dispose: async () => undefined,
  }
})
