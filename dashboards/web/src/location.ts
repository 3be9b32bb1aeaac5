import { computed, signal } from '@preact/signals'

/** The whole view is in the URL: path and parameters as signals, changed by `go` and `set`. */
const place = signal(new URL(window.location.href))

export const path = computed(() => place.value.pathname)
export const parameters = computed(() => place.value.searchParams)

export function parameter(name: string): string | undefined {
  return parameters.value.get(name) ?? undefined
}

/** Parameters that stay when another page is opened. */
const KEPT = ['range', 'from', 'to', 'zone'] as const

/** The address of a page, with the time range of this one. */
export function href(page: string, more: Readonly<Record<string, string>> = {}): string {
  const url = new URL(page, window.location.origin)
  for (const name of KEPT) {
    const value = parameters.value.get(name)
    if (value !== null) url.searchParams.set(name, value)
  }
  for (const [name, value] of Object.entries(more)) url.searchParams.set(name, value)
  return `${url.pathname}${url.search}`
}

export function go(address: string): void {
  window.history.pushState(null, '', address)
  place.value = new URL(window.location.href)
}

/** The same, leaving no step to go back to. */
export function replace(address: string): void {
  window.history.replaceState(null, '', address)
  place.value = new URL(window.location.href)
}

/** Sets or (undefined) removes parameters; `silently` leaves no step to go back to. */
export function set(changes: Readonly<Record<string, string | undefined>>, silently = false): void {
  const url = new URL(place.value)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') url.searchParams.delete(name)
    else url.searchParams.set(name, value)
  }
  if (url.href === place.value.href) return
  if (silently) window.history.replaceState(null, '', url)
  else window.history.pushState(null, '', url)
  place.value = url
}

window.addEventListener('popstate', () => {
  place.value = new URL(window.location.href)
})

// Links within the app do not load it anew; those that open a tab, or lead elsewhere, are the browser's.
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (!link || event.defaultPrevented || event.button !== 0 || link.target || link.hasAttribute('download')) return
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  if (link.origin !== window.location.origin || link.pathname.startsWith('/api/')) return
  event.preventDefault()
  go(link.href)
})
