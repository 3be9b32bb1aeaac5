import { writeFileSync } from 'node:fs'
import { catalogue } from '../jobs/catalogue.ts'
import { metricsDocument } from '../jobs/document.ts'
import { configurationDocument, tablesDocument } from './document.ts'

/** `npm run docs`: writes each generated document anew. */
writeFileSync('docs/configuration.md', configurationDocument())
writeFileSync('docs/metrics.md', metricsDocument(catalogue()))
writeFileSync('docs/tables.md', tablesDocument())
