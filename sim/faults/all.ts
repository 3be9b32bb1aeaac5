import type { Fault } from '../step.ts'
import { clockJump } from './clock-jump.ts'
import { cut } from './cut.ts'
import { delay } from './delay.ts'
import { duplicate } from './duplicate.ts'
import { kill } from './kill.ts'
import { lostAnswer } from './lost-answer.ts'
import { pause } from './pause.ts'
import { powerCut } from './power-cut.ts'
import { refusal } from './refusal.ts'
import { reorder } from './reorder.ts'
import { restoredDisk } from './restored-disk.ts'

/** A new fault is a file of its own and a line here. */
export const FAULTS: readonly Fault[] = [
  delay,
  pause,
  reorder,
  duplicate,
  cut,
  kill,
  powerCut,
  restoredDisk,
  lostAnswer,
  refusal,
  clockJump,
]
