import type { Catalogue } from './catalogue.ts'

/** `docs/metrics.md`: each metric with its grain, inputs, checks and columns, from the files that define them. Pure. */
export function metricsDocument(metrics: Catalogue): string {
  const parts = metrics.map((metric) =>
    [
      `## ${metric.name}`,
      '',
      `${capital(metric.meaning)}. Grain: ${metric.grain}. Reads ${[...new Set(metric.inputs.map(({ table }) => `\`${table}\``))].join(', ')}. Revision ${metric.revision}, definition \`${metric.hash}\`.`,
      '',
      `Affected by: ${metric.affects}.`,
      '',
      '| column | type | unit | meaning |',
      '|---|---|---|---|',
      ...metric.columns.map(
        (c) => `| \`${c.name}\` | ${c.type} | ${c.unit ?? ''} | ${c.meaning.replaceAll('|', '\\|')} |`,
      ),
      '',
      `Checked before each commit: ${['keys are unique', ...metric.checks.map(({ condition }) => `\`${condition}\``)].join('; ')}.`,
      '',
    ].join('\n'),
  )
  return `# Metrics\n\nMade from \`jobs/metrics/*.sql\`. Times are UTC.\n\n${parts.join('\n')}`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
