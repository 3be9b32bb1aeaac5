import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { serverGone, signedOut } from './api-client.ts'
import { DefinitionPopover } from './definition.tsx'
import './frame.css'
import { Freshness } from './freshness.tsx'
import { Icon, type IconName, Shape } from './icon.tsx'
import { keysShown, useKeys } from './keyboard.ts'
import { href, path } from './location.ts'
import { RangeMenu } from './range-menu.tsx'
import { Empty } from './state-notes.tsx'
import { nextTheme, theme } from './theme.ts'
import { step, toggleZone, zone } from './time-range.ts'

/** The pages that there are, in the order of the rail; `key` follows `g`. */
export const PAGES: readonly {
  readonly path: string
  readonly name: string
  readonly icon: IconName
  readonly key: string
  /** It is about now: no time range stands above it. */
  readonly timeless?: boolean
  /** It says itself that there is no session, to people who never saw `hearth up`, and keeps what it shows. */
  readonly sessionless?: boolean
}[] = [
  { path: '/fleet', name: 'Fleet', icon: 'fleet', key: 'f' },
  { path: '/remote', name: 'Remote', icon: 'remote', key: 'r', timeless: true, sessionless: true },
  { path: '/commands', name: 'Commands', icon: 'commands', key: 'c' },
  { path: '/jobs', name: 'Jobs', icon: 'jobs', key: 'j' },
  { path: '/lake', name: 'Lake', icon: 'lake', key: 'l' },
  { path: '/query', name: 'Query', icon: 'query', key: 'q' },
]

/** What stands around every page. */
export function Frame({ children }: { readonly children: ComponentChildren }) {
  useKeys(PAGES)
  const { timeless, sessionless } = PAGES.find((page) => page.path === path.value) ?? {}
  return (
    <div class={`frame ${timeless ? 'timeless' : ''}`}>
      <nav class="rail" aria-label="Pages">
        <img class="mark" src="/icon.svg" alt="Hearth" />
        {PAGES.map((page) => (
          <a key={page.path} href={href(page.path)} aria-current={path.value === page.path ? 'page' : undefined}>
            <Icon name={page.icon} size={18} />
            {page.name}
          </a>
        ))}
        <div class="rest">
          <button
            type="button"
            class="keyboard"
            onClick={() => (keysShown.value = true)}
            title="Keyboard shortcuts (?)"
          >
            <Icon name="keyboard" size={18} />
            Keys
          </button>
          <button type="button" onClick={nextTheme} title={`Colours: ${theme.value}`}>
            <Icon name="theme" size={18} />
            {theme.value === 'system' ? 'Auto' : theme.value === 'light' ? 'Light' : 'Dark'}
          </button>
        </div>
      </nav>
      {!timeless && <TopBar />}
      <main class="page" id="page" tabIndex={-1}>
        {signedOut.value && !sessionless ? (
          <Empty title="No session in this browser">
            Open the access link that <code>hearth up</code> printed: a line that begins with “Hearth is ready”.
          </Empty>
        ) : (
          children
        )}
      </main>
      {serverGone.value && (
        <div class="banner bad gone" role="alert">
          <Shape tone="bad" /> The server does not answer. What is shown is old; trying again.
        </div>
      )}
      <DefinitionPopover />
      <KeysDialog />
    </div>
  )
}

/** The time range of the page, and how fresh what it shows is. */
function TopBar() {
  return (
    <header class="top">
      <button type="button" class="button quiet" aria-label="One window back" onClick={() => step(-1)}>
        <Icon name="back" />
      </button>
      <RangeMenu />
      <button type="button" class="button quiet" aria-label="One window forward" onClick={() => step(1)}>
        <Icon name="forward" />
      </button>
      <button type="button" class="button quiet" onClick={toggleZone} title="Time zone of all times; click to change">
        {zone.value}
      </button>
      <Freshness />
    </header>
  )
}

function KeysDialog() {
  const dialog = useRef<HTMLDialogElement>(null)
  const shown = useSignal(false)
  shown.value = keysShown.value
  useEffect(() => {
    if (keysShown.value) dialog.current?.showModal()
    else dialog.current?.close()
  }, [keysShown.value])
  return (
    <dialog ref={dialog} class="keys" aria-label="Keyboard" onClose={() => (keysShown.value = false)}>
      <h1>Keyboard</h1>
      <dl>
        {PAGES.map((page) => (
          <>
            <dt key={page.key}>
              <kbd>g</kbd> <kbd>{page.key}</kbd>
            </dt>
            <dd>go to {page.name}</dd>
          </>
        ))}
        <dt>
          <kbd>/</kbd>
        </dt>
        <dd>search: hubs, the filter, or the schema</dd>
        <dt>
          <kbd>[</kbd> <kbd>]</kbd>
        </dt>
        <dd>one time window back, forward</dd>
        <dt>
          <kbd>Ctrl</kbd> <kbd>Enter</kbd>
        </dt>
        <dd>run the query</dd>
        <dt>
          <kbd>Esc</kbd>
        </dt>
        <dd>close, or cancel the query</dd>
        <dt>
          <kbd>Esc</kbd> <kbd>Tab</kbd>
        </dt>
        <dd>leave the editor</dd>
        <dt>
          <kbd>?</kbd>
        </dt>
        <dd>this list</dd>
      </dl>
      <form method="dialog">
        <button class="button" type="submit">
          Close
        </button>
      </form>
    </dialog>
  )
}
