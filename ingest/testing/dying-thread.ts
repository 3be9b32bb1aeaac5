/** A thread that dies of a question that says so, raises for another, and says back the rest. */
import { serveThread } from '../thread.ts'

serveThread(() => ({
  opened: 'ready',
  answer(question) {
    if (JSON.stringify(question).includes('die')) process.exit(3)
    if (JSON.stringify(question).includes('raise')) throw new Error('no')
    return question
  },
  close: () => undefined,
}))
