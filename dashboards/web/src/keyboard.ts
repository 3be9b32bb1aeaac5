import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { browserClock } from './browser.ts'
import { go, href } from './location.ts'
import { step } from './time-range.ts'

export const keysShown = signal(false)

/** How long after `g` its second letter may come. */
const SEQUENCE_MS = 1_200

/** Shortcuts of the whole app; while something is being typed they are just letters. */
export function useKeys(pages: readonly { readonly path: string; readonly key: string }[]): void {
  useEffect(() => {
    let afterG = Number.NEGATIVE_INFINITY
    const press = (event: KeyboardEvent) => {
      const { target } = event
      const typing =
        target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return
      const page =
        browserClock.monotonic() - afterG < SEQUENCE_MS ? pages.find(({ key }) => key === event.key) : undefined
      afterG = Number.NEGATIVE_INFINITY
      if (page) {
        event.preventDefault()
        go(href(page.path))
      } else if (event.key === 'g') afterG = browserClock.monotonic()
      else if (event.key === '?') keysShown.value = true
      else if (event.key === '[') step(-1)
      else if (event.key === ']') step(1)
      else if (event.key === '/') {
        const search = document.querySelector<HTMLElement>('[data-search]')
        if (!search) return
        event.preventDefault()
        search.focus()
      }
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [pages])
}
