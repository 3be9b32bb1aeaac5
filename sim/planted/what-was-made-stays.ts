import type { Plant } from '../plant.ts'

/** Of a run that is over the task is cleared, and not what its parts have made. */
export const whatWasMadeStays: Plant = {
  name: 'what was made stays',
  breaks: 'no run is left',
  store: (store) => ({
    ...store,
    delete: async (path) => (/^_hearth\/runs\/.*\/made-/.test(path) ? undefined : await store.delete(path)),
  }),
}
