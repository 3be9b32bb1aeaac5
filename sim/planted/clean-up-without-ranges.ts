import { Problem } from '../../contract/problem.ts'
import type { Plant } from '../plant.ts'

/** Only writers keep snapshots of ranges, each for buckets that go on: clean-up deletes what an idle one would need. */
export const cleanUpWithoutRanges: Plant = {
  name: 'clean-up without ranges',
  breaks: 'every process goes on',
  store: (store) => ({
    ...store,
    async put(path, body, options) {
      if (path.startsWith('_hearth/ranges/')) throw new Problem('conflict', `${path} is not kept`)
      await store.put(path, body, options)
    },
  }),
}
