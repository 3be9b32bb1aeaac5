import { signal } from '@preact/signals'
import { remember, remembered } from './browser.ts'

export type Theme = 'system' | 'light' | 'dark'
const THEMES: readonly Theme[] = ['system', 'light', 'dark']

export const theme = signal<Theme>(THEMES.find((name) => name === remembered('theme')) ?? 'system')
/** Moves on each change of colours, so that canvases draw anew. */
export const colours = signal(0)

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system'
  remember('theme', theme.value)
  if (theme.value === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme.value
  colours.value++
}

window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => colours.value++)

/** A token of tokens.css, as a colour that a canvas takes. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}
