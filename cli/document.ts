import { describeConfig } from './config.ts'

/** docs/configuration.md, from the schema. */
export function configurationDocument(): string {
  const rows = describeConfig().map(
    ({ key, fallback, meaning }) =>
      `| \`${key.join('.')}\` | \`HEARTH_${key.join('_').toUpperCase()}\` | \`${String(fallback)}\` | ${meaning} |`,
  )
  return `# Configuration

Everything has a default; with nothing set, Hearth runs whole on this machine. Settings come from \`hearth.yaml\` (in the
working folder or the state folder, or the file that \`HEARTH_CONFIG\` names), and variables override it. A key that does
not exist is an error that names the one that was probably meant.

\`\`\`yaml
fleet: north
relay:
  app_port: 8080
\`\`\`

| key | variable | default | meaning |
|---|---|---|---|
${rows.join('\n')}

Other variables: \`HEARTH_HOME\` is the state folder (default \`.hearth\`), \`HEARTH_TOKEN\` the token that commands such as
\`hearth send\` use. Secrets come from files or variables, never from the command line.

<!-- made by npm run docs from cli/config.ts -->
`
}
