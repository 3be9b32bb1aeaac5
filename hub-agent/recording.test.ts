import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unpack } from '../link/batch-codec.ts'
import { memoryDisk } from '../link/memory-disk.ts'
import { openOutbox } from '../link/outbox.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import type { Report } from './devices.ts'
import { recordedHome, writeRecording } from './recorded-home.ts'
import { inOrder, parseShift, readRecording, seriesName } from './recording.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-recording-'))
})
afterEach(() => rmSync(folder, { recursive: true }))
const write = (file: string, text: string) => writeFileSync(join(folder, file), text)

describe('the name of a file', () => {
  it.each([
    ['Room3_left_ThermostatTemperature.csv', 'room3', 'left_thermostat_temperature'],
    ['Bathroom_Virtual_OutdoorTemperature.csv', 'bathroom', 'virtual_outdoor_temperature'],
    ['Kitchen_SetpointHistory.csv', 'kitchen', 'setpoint_history'],
    ['Hall_CO2Level.csv', 'hall', 'co2_level'],
  ])('%s is %s %s', (file, device, attribute) => {
    expect(seriesName(file)).toEqual({ device, attribute })
  })

  it.each(['Kitchen.csv', '_Temperature.csv', 'Küche_Temperatur.csv', 'Kitchen_1st.csv'])(
    '%s says no device and attribute',
    (file) => {
      expect(() => seriesName(file)).toThrow(/expected a name like/)
    },
  )

  it('that means the same as another is refused', () => {
    write('Room1_AirTemperature.csv', '1\t1\n')
    write('Room1_air_temperature.csv', '1\t1\n')
    expect(() => readRecording(folder)).toThrow(/both mean air_temperature of room1/)
  })
})

describe('a recording', () => {
  it('comes in the order of time over all files, whatever their lines', () => {
    write('B_X.csv', '30\t3\n10\t1.5\n')
    write('A_Y.csv', '20\t-2e-3\n10\t7\r\n')
    write('LICENSE.md', 'not a recording')
    expect([...inOrder(readRecording(folder))]).toEqual([
      { device: 'a', attribute: 'y', recorded_ms: 10_000, value: 7 },
      { device: 'b', attribute: 'x', recorded_ms: 10_000, value: 1.5 },
      { device: 'a', attribute: 'y', recorded_ms: 20_000, value: -0.002 },
      { device: 'b', attribute: 'x', recorded_ms: 30_000, value: 3 },
    ])
  })

  it('names bad lines by file and line, and keeps the others', () => {
    write('A_X.csv', '1\t1\nnonsense\n2 2\n3\tNaN\n4\t\n5\t5\n-1\t1\n')
    const { count, faults, fault_count } = readRecording(folder)
    expect(count).toBe(2)
    expect(fault_count).toBe(5)
    expect(faults.map(({ file, line }) => `${file}:${line}`)).toEqual([
      'A_X.csv:2',
      'A_X.csv:3',
      'A_X.csv:4',
      'A_X.csv:5',
      'A_X.csv:7',
    ])
  })

  it('of devices that are not there says which are', () => {
    write('A_X.csv', '1\t1\n')
    expect(() => readRecording(folder, ['b'])).toThrow(/it has a$/)
  })

  it('is sent as a boot that is over, so that each time and value is exact after the shift', async () => {
    write('A_X.csv', '1489017527\t19.21\n1489018733\t0.1\n')
    const disk = memoryDisk()
    const random = seededRandom(1)
    const shift_ms = parseShift('P9Y', 1_489_017_527_000)
    const recording = readRecording(folder)
    const about = { disk, random, generation: 1, firmware: 'recorded' }
    await writeRecording({ ...about, recording, name: 'a', shift_ms, hub: 'villa' })
    const streams = [{ name: 'control' }, { name: 'readings' }]
    const outbox = await openOutbox({ ...about, clock: new ManualClock(), source: 'villa', agent: '1', streams })
    const batch = outbox.take('readings', { flush: true })
    if (!batch) throw new Error('expected a batch')
    const { bytes, header } = outbox.transmit(batch)
    const events = unpack(bytes)
      .toString()
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line))
    expect(header.now).toBeUndefined()
    expect(events.map(({ m, value }) => [header.wall + m, value])).toEqual([
      [Date.UTC(2026, 2, 8, 23, 58, 47), 19.21],
      [Date.UTC(2026, 2, 9, 0, 18, 53), 0.1],
    ])
  })

  it('is told once, wherever the telling was cut off, and however often it is begun again', async () => {
    const lines = Array.from({ length: 5_000 }, (_, i) => `${1_000 + i}\t${i}\n`)
    write('A_X.csv', lines.join(''))
    const recording = readRecording(folder)
    const random = seededRandom(1)
    const about = { random, generation: 1, firmware: 'recorded', hub: 'villa', recording, name: 'a', shift_ms: 0 }
    for (let writes = 0; writes < 12; writes++) {
      let disk = memoryDisk()
      // Dies before its write number `writes`, twice over; then lives.
      for (const limit of [writes, writes, Number.POSITIVE_INFINITY]) {
        let left = limit
        const mortal = {
          ...disk,
          write(changes: Parameters<typeof disk.write>[0]) {
            if (left-- <= 0) throw new Error('killed')
            disk.write(changes)
          },
        }
        const telling = writeRecording({ ...about, disk: mortal })
        if (limit === Number.POSITIVE_INFINITY) await telling
        else await telling.catch((error: Error) => expect(error.message).toBe('killed'))
        disk = disk.kill()
      }
      const options = {
        disk,
        random,
        clock: new ManualClock(),
        source: 'villa',
        generation: 1,
        firmware: '1',
        agent: '1',
      }
      const outbox = await openOutbox({ ...options, streams: [{ name: 'control' }, { name: 'readings' }] })
      const values: number[] = []
      for (
        let batch = outbox.take('readings', { flush: true });
        batch;
        batch = outbox.take('readings', { flush: true })
      ) {
        const text = unpack(outbox.transmit(batch).bytes).toString()
        for (const line of text.trimEnd().split('\n').slice(1)) values.push(JSON.parse(line).value)
      }
      expect(values.sort((a, b) => a - b)).toEqual(lines.map((_, i) => i))
    }
  })

  it('can be replayed as if it were now, at a speed', async () => {
    write('A_Temperature.csv', '100\t1\n160\t2\n')
    const clock = new ManualClock()
    const heard: Report[] = []
    let ended = false
    const home = recordedHome({ recording: readRecording(folder), clock, speed: 60, ended: () => (ended = true) })
    home.subscribe((report) => heard.push(report))
    await clock.advance(999)
    expect(heard).toHaveLength(1)
    await clock.advance(1)
    expect(heard[1]).toEqual({
      device: 'a',
      attribute: 'temperature',
      value: 2,
      unit: '°C',
      m: 1_000,
      recorded_ms: 160_000,
    })
    expect(ended).toBe(true)
    await expect(home.actuate('a', { temperature: 3 }, new AbortController().signal)).rejects.toThrow(/recording/)
  })
})

describe('a shift', () => {
  it.each([
    ['86400000', 86_400_000],
    ['-5', -5],
    ['P1D', 86_400_000],
    ['-P1W', -7 * 86_400_000],
    ['PT1H30M', 5_400_000],
    ['P9Y', Date.UTC(2026, 2, 9) - Date.UTC(2017, 2, 9)],
    ['P1M', 31 * 86_400_000],
  ])('of %s from 9 March 2017 is %d ms', (text, ms) => {
    expect(parseShift(text, Date.UTC(2017, 2, 9))).toBe(ms)
  })

  it.each(['P', 'PT', '9Y', 'P1.5D', ''])('%j is refused', (text) => {
    expect(() => parseShift(text, 0)).toThrow(/expected a shift/)
  })
})

const RECORDINGS =
  process.env.HEARTH_RECORDINGS ?? new URL('../../shared/data/open-smart-home', import.meta.url).pathname

describe.skipIf(!existsSync(RECORDINGS))('the recorded rooms', () => {
  it('are read whole: as many readings, and the same sum, as their lines say', () => {
    const recording = readRecording(RECORDINGS)
    let lines = 0
    let sum = 0
    for (const file of readdirSync(RECORDINGS).filter((name) => name.endsWith('.csv'))) {
      for (const line of readFileSync(join(RECORDINGS, file), 'utf8').trimEnd().split('\n')) {
        lines++
        sum += Number(line.split('\t')[1])
      }
    }
    let found = 0
    let last_ms = 0
    for (const { recorded_ms, value } of inOrder(recording)) {
      expect(recorded_ms >= last_ms).toBe(true)
      last_ms = recorded_ms
      found += value
    }
    expect([recording.count, recording.fault_count]).toEqual([lines, 0])
    expect(found).toBeCloseTo(sum, 4)
  })
})
