import { existsSync } from 'node:fs'
import { aptInstall } from '../apt.ts'

const PLACES = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto']

/** Path of Mosquitto, installed where that is possible; undefined where it cannot be had. */
export async function mosquitto(): Promise<string | undefined> {
  const find = () => PLACES.find(existsSync)
  await aptInstall(() => (find() ? [] : ['mosquitto']))
  return find()
}

/** Paths of mosquitto_pub and mosquitto_sub, installed where that is possible; undefined where they cannot be had. */
export async function mosquittoClients(): Promise<{ readonly pub: string; readonly sub: string } | undefined> {
  const find = () => ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'].find((at) => existsSync(`${at}/mosquitto_sub`))
  await aptInstall(() => (find() ? [] : ['mosquitto-clients']))
  const at = find()
  return at === undefined ? undefined : { pub: `${at}/mosquitto_pub`, sub: `${at}/mosquitto_sub` }
}
