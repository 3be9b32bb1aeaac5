import { writeFileSync } from 'node:fs'
import { configurationDocument } from './document.ts'

/** `npm run docs`: writes each generated document anew. */
writeFileSync('docs/configuration.md', configurationDocument())
