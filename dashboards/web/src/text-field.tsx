import type { InputHTMLAttributes } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

/** Shows `value`, but for while somebody is in the field: what is being typed is theirs, whatever else is drawn anew. */
export function TextField({ value, ...rest }: InputHTMLAttributes & { readonly value: string }) {
  const input = useRef<HTMLInputElement>(null)
  const latest = useRef(value)
  latest.current = value
  const draw = () => {
    if (input.current) input.current.value = latest.current
  }
  useLayoutEffect(() => {
    if (document.activeElement !== input.current) draw()
  }, [value])
  return <input class="field" {...rest} ref={input} onBlur={draw} />
}
