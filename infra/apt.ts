import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { alone } from './alone.ts'

const run = promisify(execFile)
const POLICY = '/usr/sbin/policy-rc.d'
/** A package that has a service would start it: a policy of "no" for as long as it takes. */
const REFUSE = `printf "#!/bin/sh\\nexit 101\\n" > ${POLICY} && chmod +x ${POLICY} && trap "rm ${POLICY}" EXIT &&`

/**
 * Installs what is missing of Debian's packages, one at a time on a machine. Where that cannot be (not root, no such package) it
 * is missing afterwards too: who asks looks again, and says so.
 */
export async function aptInstall(missing: () => readonly string[] | Promise<readonly string[]>): Promise<void> {
  if ((await missing()).length === 0) return
  await alone('apt', async () => {
    const packages = await missing()
    if (packages.length === 0) return
    const install = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${packages.join(' ')}`
    await run('sh', ['-c', `${existsSync(POLICY) ? '' : REFUSE} ${install}`]).catch(() => undefined)
  })
}
