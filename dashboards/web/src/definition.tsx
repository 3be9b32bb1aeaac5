import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Definition } from '../../api.ts'
import { ask } from './api-client.ts'
import './definition.css'
import { href } from './location.ts'

const definitions = signal<ReadonlyMap<string, Definition>>(new Map())
/** The one that is open: its name, and where its button is. */
const open = signal<{ readonly name: string; readonly left: number; readonly top: number } | undefined>(undefined)

/** Reads the catalogue once; a failure is told where the definition is opened. */
export async function loadDefinitions(): Promise<void> {
  const answer = await ask<{ definitions: Definition[] }>('/api/definitions')
  definitions.value = new Map(answer.definitions.map((definition) => [definition.name, definition]))
}

/** The small "?" beside a figure. */
export function Explain({ name }: { readonly name: string }) {
  const toggle = (event: MouseEvent) => {
    event.stopPropagation()
    if (open.value?.name === name) {
      open.value = undefined
      return
    }
    if (!(event.currentTarget instanceof Element)) return
    const box = event.currentTarget.getBoundingClientRect()
    const left = Math.max(12, Math.min(box.left - 12, window.innerWidth - 372))
    open.value = { name, left, top: Math.min(box.bottom + 6, window.innerHeight - 220) }
    if (!definitions.value.has(name)) loadDefinitions().catch(() => undefined)
  }
  return (
    <span class="explain">
      <button
        type="button"
        aria-label={`What is ${name.replaceAll('_', ' ')}?`}
        aria-expanded={open.value?.name === name}
        onClick={toggle}
      >
        ?
      </button>
    </span>
  )
}

/** The open definition; one for the whole app. */
export function DefinitionPopover() {
  const box = useRef<HTMLDivElement>(null)
  const shown = open.value
  useEffect(() => {
    if (!shown) return undefined
    const leave = (event: Event) => {
      if (event.target instanceof Node && box.current?.contains(event.target)) return
      open.value = undefined
    }
    const escape = (event: KeyboardEvent) => {
      if (event.key === 'Escape') open.value = undefined
    }
    document.addEventListener('click', leave)
    document.addEventListener('keydown', escape)
    window.addEventListener('scroll', leave, true)
    return () => {
      document.removeEventListener('click', leave)
      document.removeEventListener('keydown', escape)
      window.removeEventListener('scroll', leave, true)
    }
  }, [shown])
  if (!shown) return null
  const definition = definitions.value.get(shown.name)
  return (
    <div
      ref={box}
      class="popover"
      role="dialog"
      aria-label="Definition"
      style={{ left: `${shown.left}px`, top: `${shown.top}px` }}
    >
      <h3>{definition?.title ?? 'Definition'}</h3>
      <p>{definition?.meaning ?? 'The catalogue could not be read.'}</p>
      {definition?.table && (
        <p>
          Read from <code>{definition.table}</code>
          {definition.unit && ` · in ${definition.unit}`}
        </p>
      )}
    </div>
  )
}

/** Opens Query with the SELECT that made a figure. */
export function RowsLink({ sql, label }: { readonly sql: string; readonly label: string }) {
  return (
    <a
      class="rows-link"
      href={href('/query', { sql, run: '1' })}
      aria-label={`Rows behind ${label}`}
      title="Open the SQL that made this"
    >
      rows
    </a>
  )
}
