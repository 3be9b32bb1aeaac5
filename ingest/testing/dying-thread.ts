/** A thread that dies of a question that says so, and says back any other. */
import { serveThread } from '../thread.ts'

serveThread(() => ({
  opened: 'ready',
  answer(question) {
    if (JSON.stringify(question).includes('die')) process.exit(3)
    if (question === 'raise') throw new Error('no')
    return question
  },
  close: () => undefined,
}))
