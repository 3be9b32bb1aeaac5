/** Drawn on a 16 px grid with one stroke width; each stands beside its word, or has a label. */
const PATHS = {
  fleet: 'M2.5 13V7.5L8 3l5.5 4.5V13M6 13V9.5h4V13M1.5 13h13',
  commands: 'M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z',
  jobs: 'M2 4l1.2 1.2L5.5 3M8 4h6M2 8.2l1.2 1.2 2.3-2.2M8 8.4h6M2.2 13h3M8 13h6',
  lake: 'M1.5 4.5c2.1-1.6 4.4-1.6 6.5 0s4.4 1.6 6.5 0M1.5 8.5c2.1-1.6 4.4-1.6 6.5 0s4.4 1.6 6.5 0M1.5 12.5c2.1-1.6 4.4-1.6 6.5 0s4.4 1.6 6.5 0',
  query:
    'M2.5 4c0-1.2 2.5-2 5.5-2s5.5.8 5.5 2-2.5 2-5.5 2-5.5-.8-5.5-2zm0 0v8c0 1.2 2.5 2 5.5 2s5.5-.8 5.5-2V4M2.5 8c0 1.2 2.5 2 5.5 2s5.5-.8 5.5-2',
  back: 'M10 3.5 5.5 8l4.5 4.5',
  forward: 'M6 3.5 10.5 8 6 12.5',
  down: 'M4 6l4 4 4-4',
  theme: 'M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11',
  close: 'M4 4l8 8M12 4l-8 8',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.5l7.5 4.5L5 12.5z',
  send: 'M2 8h11M9 4l4 4-4 4',
  rows: 'M2.5 3.5h11v9h-11zM2.5 6.5h11M2.5 9.5h11M6.5 6.5v6',
  table: 'M2.5 3.5h11v9h-11zM2.5 6.5h11M6.5 3.5v9',
  chart: 'M2.5 2.5v11h11M5 10l2.5-3 2 2L13 5',
  download: 'M8 2.5v7.5M5 7.5 8 10.5 11 7.5M3 13.5h10',
  history: 'M3 8a5 5 0 1 1 1.5 3.5M3 4.5V8h3.5M8 5.5V8l2 1.5',
  remote:
    'M5 1.5h6a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-11a1 1 0 0 1 1-1zM8 4.2v2M6.7 5.2a2 2 0 1 0 2.6 0M7 12h2',
  lamp: 'M6 11.5c0-1.6-2-2.4-2-5a4 4 0 0 1 8 0c0 2.6-2 3.4-2 5zM6.3 13.8h3.4',
  plug: 'M6 1.5V5M10 1.5V5M4 5h8v2.5a4 4 0 0 1-8 0zM8 11.5v3',
  locked: 'M4 7h8v6.5H4zM5.5 7V5a2.5 2.5 0 0 1 5 0v2M8 9.6v1.6',
  unlocked: 'M4 7h8v6.5H4zM5.5 7V4.6a2.5 2.5 0 0 1 4.8-1M8 9.6v1.6',
  thermostat: 'M6.5 9.2V3a1.5 1.5 0 0 1 3 0v6.2a3 3 0 1 1-3 0zM8 6v5.5',
  keyboard: 'M1.5 4.5h13v7h-13zM4 7h.5M6.5 7H7M9 7h.5M11.5 7h.5M5 9.5h6',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      aria-hidden="true"
      stroke-width="1.4"
      stroke-linecap="round"
      stroke-linejoin="round"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}

export type Tone = 'good' | 'warn' | 'bad' | 'idle'

/** A shape for each tone, so that colour is never alone: disc, triangle, cross, ring. */
export function Shape({ tone }: { readonly tone: Tone }) {
  return (
    <svg
      width="9"
      height="9"
      viewBox="0 0 10 10"
      aria-hidden="true"
      fill="currentColor"
      stroke="currentColor"
      stroke-width="1.6"
    >
      {tone === 'good' && <circle cx="5" cy="5" r="4" stroke="none" />}
      {tone === 'warn' && <path d="M5 .8 9.6 9.2H.4z" stroke="none" />}
      {tone === 'bad' && <path d="M1.5 1.5l7 7M8.5 1.5l-7 7" stroke-width="2.2" fill="none" />}
      {tone === 'idle' && <circle cx="5" cy="5" r="3.4" fill="none" />}
    </svg>
  )
}

export function Tag({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <span class={`tag ${tone}`}>
      <Shape tone={tone} />
      {children}
    </span>
  )
}
