import type { Plant } from '../plant.ts'

const SNAPSHOT = /^_hearth\/ranges\/\d+\/\d+\/(\d{20})$/

/** A snapshot of ranges is kept under the version after the one that it is of, which others may have made. */
export const rangesOfAnotherVersion: Plant = {
  name: 'ranges kept under another version',
  breaks: 'ranges equal rows',
  store: (store) => ({
    ...store,
    async put(path, body, options) {
      const version = SNAPSHOT.exec(path)?.[1]
      if (version === undefined || !(body instanceof Uint8Array)) return await store.put(path, body, options)
      const next = String(Number(version) + 1).padStart(20, '0')
      const text = Buffer.from(body)
        .toString()
        .replace(`"version":${Number(version)}`, `"version":${Number(next)}`)
      await store.put(path.replace(version, next), Buffer.from(text), options)
    },
  }),
}
