#!/usr/bin/env node
// Starts the command on Node 24 or newer, which runs the checkout's TypeScript as it is; the package carries JavaScript.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import nodeModule, { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const OLDEST_MAJOR = 24

/**
 * For a process that is one hub, on a small machine: a small young generation, and no compilers that are worth their memory only
 * where much is computed (docs/decisions/121). `gc` is called once, when the hub has started.
 */
const HUB_FLAGS = [
  '--max-semi-space-size=1',
  '--no-opt',
  '--no-maglev',
  '--no-sparkplug',
  '--single-threaded-gc',
  '--v8-pool-size=1',
  '--no-node-snapshot',
  '--expose-gc',
]

if (Number(process.versions.node.split('.')[0]) >= OLDEST_MAJOR) {
  const words = process.argv.slice(2)
  if (words[0] === 'hub' && words.includes('--id')) runWith(HUB_FLAGS)
  // Stripped types and compiled code are kept between runs: it halves what a process of the tree costs to start.
  nodeModule.enableCompileCache()
  if (words[0] === 'relay') runWith((await ours('relay-flags', 'cli')).RELAY_FLAGS)
  endWithReader()
  await ours('main', runsWith(HUB_FLAGS) ? 'small' : 'cli')
} else {
  runOn(bundledNode())
}

/** A module from the checkout's source, or from the package's folder. */
function ours(name, folder) {
  const source = new URL(`./${name}.ts`, import.meta.url)
  return import(existsSync(source) ? source.href : new URL(`../dist/${folder}/${name}.js`, import.meta.url).href)
}

function runsWith(flags) {
  return flags.every((flag) => process.execArgv.includes(flag))
}

/** Starts anew in the same process, with these flags of V8, where the system can. */
function runWith(flags) {
  // A supervisor's channel would not survive it; the supervisor gives the flags itself.
  if (runsWith(flags) || process.connected || !process.execve) return
  const script = fileURLToPath(import.meta.url)
  const words = [process.execPath, ...process.execArgv, ...flags, script, ...process.argv.slice(2)]
  try {
    process.execve(process.execPath, words, process.env)
  } catch (error) {
    // Windows has none, and Node's permissions may not allow it: without the flags all is the same, only larger or slower.
    if (!/^ERR_(FEATURE_UNAVAILABLE_ON_PLATFORM|ACCESS_DENIED)$/.test(error.code)) throw error
  }
}

/** Ends as SIGPIPE would when nobody reads what is written. Under a supervisor its end is what counts: then it drains. */
function endWithReader() {
  const supervised = process.connected
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code !== 'EPIPE') throw error
      if (!supervised) process.exit(128 + constants.signals.SIGPIPE)
    })
  }
}

/** The Node that `npm ci` brought as a dependency. */
function bundledNode() {
  const name = `node-${process.platform}-${process.arch}`
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/node`)
  } catch {
    console.error(
      `hearth needs Node ${OLDEST_MAJOR} or newer; this is ${process.version}, and the package ${name} that would bring it is not installed. Install Node ${OLDEST_MAJOR}, or run npm ci again.`,
    )
    return process.exit(1)
  }
}

function runOn(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  // A Ctrl-C reaches both: the terminal signals the whole group. The child decides when it is over.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal === 'SIGINT' || child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal ?? 'SIGTERM']))
}
