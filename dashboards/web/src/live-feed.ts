import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { CommandTrace, LiveMessage } from '../../api.ts'

/** Commands that came live, by id; the newest LIVE_MAX. */
export const liveCommands = signal<ReadonlyMap<string, CommandTrace>>(new Map())
export const feed = signal<'opening' | 'open' | 'relay-down' | 'gone'>('opening')

const LIVE_MAX = 1_000

/** Takes one command into the live list, whoever told of it. */
export function takeCommand(trace: CommandTrace): void {
  const commands = new Map(liveCommands.value)
  commands.set(trace.command, trace)
  while (commands.size > LIVE_MAX) {
    const oldest = commands.keys().next().value
    if (oldest === undefined) break
    commands.delete(oldest)
  }
  liveCommands.value = commands
}

/** Listens for as long as a page that shows it is open; the browser connects anew by itself. */
export function useLiveFeed(): void {
  useEffect(() => {
    const source = new EventSource('/api/live')
    source.addEventListener('message', (event) => {
      const message = JSON.parse(String(event.data)) as LiveMessage
      if (message.type === 'command') takeCommand(message.trace)
      else if (message.type === 'relay') feed.value = message.up ? 'open' : 'relay-down'
    })
    source.addEventListener('error', () => (feed.value = 'gone'))
    return () => {
      source.close()
      feed.value = 'opening'
    }
  }, [])
}
