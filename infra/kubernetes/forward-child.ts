/** Within a cluster's network namespace: forwards what each line of its input says, and tells when it listens. */
import { createInterface } from 'node:readline'
import { type Address, forward } from './forward.ts'

for await (const line of createInterface({ input: process.stdin })) {
  const { near, far } = JSON.parse(line) as { readonly near: Address; readonly far: Address }
  const error = await forward(near, far).then(
    () => '',
    (failure: unknown) => String(failure),
  )
  process.stdout.write(`${error}\n`)
}
process.exit()
