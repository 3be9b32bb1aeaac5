import { render } from 'preact'
import './tokens.css'
import './base.css'
import { CommandsPage } from './commands/commands-page.tsx'
import { FleetPage } from './fleet/fleet-page.tsx'
import { Frame } from './frame.tsx'
import { JobsPage } from './jobs/jobs-page.tsx'
import { LakePage } from './lake/lake-page.tsx'
import { href, path, replace } from './location.ts'
import { QueryPage } from './query/query-page.tsx'
import { RemotePage } from './remote/remote-page.tsx'
import { Empty } from './state-notes.tsx'

function Page() {
  switch (path.value) {
    case '/fleet':
      return <FleetPage />
    case '/remote':
      return <RemotePage />
    case '/commands':
      return <CommandsPage />
    case '/jobs':
      return <JobsPage />
    case '/lake':
      return <LakePage />
    case '/query':
      return <QueryPage />
    default:
      return (
        <Empty title="Nothing is here">
          This address leads nowhere; <a href={href('/fleet')}>Fleet</a> is a good place to begin.
        </Empty>
      )
  }
}

if (path.value === '/') replace(href('/fleet'))

const root = document.getElementById('app')
if (root) {
  render(
    <Frame>
      <Page />
    </Frame>,
    root,
  )
}
