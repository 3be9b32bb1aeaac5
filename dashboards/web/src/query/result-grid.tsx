import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import { isNumericType } from '../../../../lake/answer.ts'
import type { Cell, QueryAnswer } from '../../../query-protocol.ts'

const ROW_PX = 26
const HEAD_PX = 42
/** Rows drawn beyond what is seen, so that scrolling shows no blank. */
const BEYOND = 20
/** Of a column, in digits. */
const WIDTH_MIN = 8
const WIDTH_MAX = 48

/** The rows as a table of which only what is seen is drawn. */
export function ResultGrid({ answer }: { readonly answer: QueryAnswer }) {
  const top = useSignal(0)
  const widths = useMemo(
    () =>
      answer.columns.map((column, index) => {
        const longest = answer.rows
          .slice(0, 200)
          .reduce(
            (most, row) => Math.max(most, written(row[index] ?? null).length),
            Math.max(Math.ceil(column.name.length * 1.15), column.type.length),
          )
        return `calc(${Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, longest))}ch + 26px)`
      }),
    [answer],
  )
  const first = Math.max(0, Math.floor(top.value / ROW_PX) - BEYOND)
  const last = Math.min(answer.rows.length, first + 40 + 2 * BEYOND)
  const kind = answer.columns.map((column) => (isNumericType(column.type) ? 'cell number' : 'cell'))
  return (
    <div
      class="grid"
      role="table"
      aria-label="Result"
      aria-rowcount={answer.rows.length + 1}
      tabIndex={0}
      onScroll={(event) => (top.value = event.currentTarget.scrollTop)}
    >
      <div class="sheet" style={{ height: `${HEAD_PX + answer.rows.length * ROW_PX}px` }}>
        <div class="row head" role="row" aria-rowindex={1}>
          {answer.columns.map((column, index) => (
            <div key={index} class={kind[index]} role="columnheader" style={{ width: widths[index] ?? '' }}>
              <b>{column.name}</b>
              <small>{column.type.toLowerCase()}</small>
            </div>
          ))}
        </div>
        <div style={{ height: `${first * ROW_PX}px` }} />
        {answer.rows.slice(first, last).map((row, offset) => (
          <div class="row" role="row" aria-rowindex={first + offset + 2} key={first + offset}>
            {row.map((cell, index) => (
              <div
                key={index}
                role="cell"
                class={`${kind[index]}${cell === null ? ' null' : ''}`}
                style={{ width: widths[index] ?? '' }}
                title={cell === null ? 'null' : String(cell)}
              >
                {written(cell)}
              </div>
            ))}
          </div>
        ))}
      </div>
    </div>
  )
}

function written(cell: Cell): string {
  return cell === null ? 'null' : String(cell)
}
