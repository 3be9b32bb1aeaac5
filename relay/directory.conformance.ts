import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Directory } from './directory.ts'

/** One directory, and what befalls it and its relays. */
export type DirectoryUnderTest = {
  /** A start of that relay, which lives once this resolves. */
  open(relay: string): Promise<Directory>
  /** It dies without a word, and as much time passes as it takes to notice. */
  die(directory: Directory): Promise<void>
  /** It forgets everything, and all have noticed. */
  empty(): Promise<void>
  dispose(): Promise<void>
}

/** What every directory promises (directory.ts). Addresses are `<relay>.example:8983`. */
export function directoryConformance(name: string, make: () => Promise<DirectoryUnderTest>): void {
  describe(`${name} keeps the promises of a directory`, () => {
    let tested: DirectoryUnderTest
    let [one, two]: Directory[] = []
    const at = (relay: string, epoch: string) => ({ relay, address: `${relay}.example:8983`, epoch })
    const both = () => {
      if (!one || !two) throw new Error('not opened')
      return [one, two] as const
    }

    beforeEach(async () => {
      tested = await make()
      one = await tested.open('relay-1')
      two = await tested.open('relay-2')
    })
    afterEach(async () => {
      await one?.close()
      await two?.close()
      await tested.dispose()
    })

    test('a hub is found at the relay that claimed it, from every relay', async () => {
      const [a, b] = both()
      expect(await a.find('hub-1')).toBeUndefined()
      expect(await a.claim('hub-1', '1.1.1')).toEqual({ held: true })
      expect(await a.find('hub-1')).toEqual(at('relay-1', '1.1.1'))
      expect(await b.find('hub-1')).toEqual(at('relay-1', '1.1.1'))
      expect(await b.find('hub-2')).toBeUndefined()
    })

    test.each([
      ['1.1.2', '1.1.10'],
      ['1.9.9', '1.10.1'],
      ['9.99.99', '10.1.1'],
      ['1.999999999.999999998', '1.999999999.999999999'],
    ])('epoch %s never replaces %s, and is replaced by it', async (lower, higher) => {
      const [a, b] = both()
      expect(await a.claim('hub-1', lower)).toEqual({ held: true })
      expect(await b.claim('hub-1', higher)).toEqual({ held: true })
      expect(await a.claim('hub-1', lower)).toEqual({ held: false, epoch: higher })
      expect(await a.find('hub-1')).toEqual(at('relay-2', higher))
    })

    test('an equal epoch takes the place of another relay, and may be claimed again by its own', async () => {
      const [a, b] = both()
      await a.claim('hub-1', '1.1.1')
      expect(await a.claim('hub-1', '1.1.1')).toEqual({ held: true })
      expect(await b.claim('hub-1', '1.1.1')).toEqual({ held: true })
      expect(await a.find('hub-1')).toEqual(at('relay-2', '1.1.1'))
    })

    test('what is released is found no more, and its epoch stays the floor of the next', async () => {
      const [a, b] = both()
      await a.claim('hub-1', '1.1.5')
      await a.release('hub-1', '1.1.5')
      expect(await b.find('hub-1')).toBeUndefined()
      expect(await b.claim('hub-1', '1.1.4')).toEqual({ held: false, epoch: '1.1.5' })
      expect(await b.claim('hub-1', '1.1.5')).toEqual({ held: true })
    })

    test('a release of an older session, or by another relay, changes nothing', async () => {
      const [a, b] = both()
      await a.claim('hub-1', '1.1.1')
      await a.claim('hub-1', '1.1.2')
      await a.release('hub-1', '1.1.1')
      await b.release('hub-1', '1.1.2')
      await b.release('hub-2', '1.1.1')
      expect(await b.find('hub-1')).toEqual(at('relay-1', '1.1.2'))
    })

    test('who had a hub is told of its claim elsewhere, with its epoch, until it watches no more', async () => {
      const [a, b] = both()
      const moved: string[] = []
      const unwatch = a.watch({ moved: (hub, epoch) => moved.push(`${hub} ${epoch}`), anew: () => undefined })
      for (const hub of ['hub-1', 'hub-2', 'hub-3']) await a.claim(hub, '1.1.1')
      await a.claim('hub-2', '1.1.2')
      await b.claim('hub-1', '1.1.2')
      await b.claim('hub-3', '1.1.1')
      await vi.waitFor(() => expect(moved).toEqual(['hub-1 1.1.2', 'hub-3 1.1.1']))
      unwatch()
      await b.claim('hub-2', '1.1.3')
      expect(await a.find('hub-2')).toEqual(at('relay-2', '1.1.3'))
      expect(moved).toHaveLength(2)
    })

    test('relays that live are known, and one that closes leaves with its places', async () => {
      const [a, b] = both()
      const names = async (directory: Directory) => (await directory.relays()).map(({ relay }) => relay).sort()
      expect(await names(a)).toEqual(['relay-1', 'relay-2'])
      await b.claim('hub-1', '1.1.1')
      await b.close()
      expect(await names(a)).toEqual(['relay-1'])
      expect(await a.find('hub-1')).toBeUndefined()
      two = undefined
    })

    test('places of a relay that died are nobody’s, and neither are they those of its next start', async () => {
      const [a, b] = both()
      await b.claim('hub-1', '1.1.1')
      await tested.die(b)
      two = undefined
      expect(await a.find('hub-1')).toBeUndefined()
      expect((await a.relays()).map(({ relay }) => relay)).toEqual(['relay-1'])
      two = await tested.open('relay-2')
      expect(await a.find('hub-1')).toBeUndefined()
      expect(await two.claim('hub-1', '1.1.0')).toEqual({ held: false, epoch: '1.1.1' })
      expect(await two.claim('hub-1', '1.1.2')).toEqual({ held: true })
      expect(await a.find('hub-1')).toEqual(at('relay-2', '1.1.2'))
    })

    test('emptied, it says so to all who claim again what is theirs', async () => {
      const [a, b] = both()
      const claimed = new Map([
        [a, ['hub-1', '1.1.1']],
        [b, ['hub-2', '1.1.1']],
      ])
      for (const [directory, [hub = '', epoch = '']] of claimed) {
        await directory.claim(hub, epoch)
        directory.watch({ moved: () => undefined, anew: () => void directory.claim(hub, epoch) })
      }
      await tested.empty()
      await vi.waitFor(
        async () => {
          expect(await b.find('hub-1')).toEqual(at('relay-1', '1.1.1'))
          expect(await a.find('hub-2')).toEqual(at('relay-2', '1.1.1'))
        },
        { timeout: 5_000 },
      )
    })
  })
}
