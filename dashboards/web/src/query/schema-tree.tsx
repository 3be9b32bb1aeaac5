import { useSignal } from '@preact/signals'
import type { SchemaAnswer } from '../../../query-protocol.ts'
import { Skeleton } from '../state-notes.tsx'

/** Tables and columns with their meaning; a click inserts the name, and so does dragging it into the editor. */
export function SchemaTree(props: {
  readonly schema: SchemaAnswer | undefined
  readonly insert: (text: string) => void
}) {
  const filter = useSignal('')
  const wanted = filter.value.trim().toLowerCase()
  const tables = props.schema?.tables
    .map((table) => ({
      ...table,
      columns:
        wanted && !table.name.includes(wanted)
          ? table.columns.filter(({ name, meaning }) => `${name} ${meaning ?? ''}`.toLowerCase().includes(wanted))
          : table.columns,
    }))
    .filter((table) => !wanted || table.name.includes(wanted) || table.columns.length > 0)
  return (
    <aside class="card schema" aria-label="Schema">
      <input
        class="field"
        type="search"
        placeholder="Search tables and columns"
        aria-label="Search tables and columns"
        data-search
        onInput={(event) => (filter.value = event.currentTarget.value)}
      />
      {!tables &&
        Array.from({ length: 8 }, (_, index) => (
          <div key={index} style={{ padding: '4px 8px' }}>
            <Skeleton width={`${80 - ((index * 17) % 40)}%`} />
          </div>
        ))}
      {tables?.map((table) => (
        <details key={table.name} open={wanted !== ''}>
          <summary
            title={table.meaning}
            draggable
            onDragStart={(event) => event.dataTransfer?.setData('text/plain', table.name)}
          >
            {table.name}
            <small>{table.kind}</small>
          </summary>
          {table.meaning && <p class="meaning">{table.meaning}</p>}
          {table.columns.map((column) => (
            <button
              key={column.name}
              type="button"
              class="column"
              draggable
              title={[column.meaning, column.unit && `in ${column.unit}`].filter(Boolean).join(', ') || column.name}
              onClick={() => props.insert(column.name)}
              onDragStart={(event) => event.dataTransfer?.setData('text/plain', column.name)}
            >
              {column.name}
              <small>{column.unit ? `${column.type.toLowerCase()}, ${column.unit}` : column.type.toLowerCase()}</small>
            </button>
          ))}
        </details>
      ))}
      {tables?.length === 0 && (
        <p class="soft none">
          {wanted ? (
            'Nothing is called that.'
          ) : (
            <>
              The lake has no tables yet: start <code>hearth up</code>.
            </>
          )}
        </p>
      )}
    </aside>
  )
}
