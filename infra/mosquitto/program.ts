import { existsSync } from 'node:fs'
import { aptInstall } from '../apt.ts'

const PLACES = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto']

/** Path of Mosquitto, installed where that is possible; undefined where it cannot be had. */
export async function mosquitto(): Promise<string | undefined> {
  const find = () => PLACES.find(existsSync)
  await aptInstall(() => (find() ? [] : ['mosquitto']))
  return find()
}
