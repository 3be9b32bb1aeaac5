/**
 * What lies between a phone and a lamp and is not Hearth, from published figures. A figure that is not published (how long
 * the slowest of a hundred take, in most) is an assumption, chosen long, and says so.
 */
import type { Random } from '../../contract/clock.ts'
import { logNormal } from '../../hub-agent/chance.ts'
import type { Delay } from './parts.ts'

/** A link's round trip, and what of it is the way up: on mobile networks a phone must ask before it may send. */
export type Link = { readonly round_trip: Delay; readonly up_share: number; readonly source: string }

export type Profile = { readonly name: string; readonly phone: Link }

/** The standard normal's 99th percentile. */
const Z99 = 2.326
/**
 * Assumed. Rohde & Schwarz (5G NR and LTE latency analysis in a public network, 2022) measured one way below 7 ms down at best
 * and about 18 ms up at worst on 5G, and that what 5G gains over LTE is on the way up.
 */
const MOBILE_UP_SHARE = 2 / 3

export const PROFILES: readonly Profile[] = [
  {
    name: '5G',
    phone: {
      ...{ round_trip: { median_ms: 20, p99_ms: 80 }, up_share: MOBILE_UP_SHARE },
      source:
        'Ofcom, Mobile Matters 2024: averages of the four operators 16.3 to 21.4 ms. Rizvi, Heidemann and Plonka, arXiv 2507.18834 (a CDN, worldwide): only the best 5 % of users regularly see a least latency below 20 ms. p99: assumed, four times the median',
    },
  },
  {
    name: '4G',
    phone: {
      ...{ round_trip: { median_ms: 25, p99_ms: 100 }, up_share: MOBILE_UP_SHARE },
      source:
        'Codavel, Real-world latency and packet loss: 25 ms in the UK; Ofcom 2024: averages of the four operators 18.3 to 23.7 ms. p99: assumed, four times the median',
    },
  },
  {
    name: '4G, slow network',
    phone: {
      ...{ round_trip: { median_ms: 50, p99_ms: 200 }, up_share: MOBILE_UP_SHARE },
      source:
        "Codavel: 50 ms in the US, Germany and Japan; Ofcom's drive tests of late 2014: an average of 53.1 ms. p99: assumed, four times the median",
    },
  },
  {
    name: '4G, bad cell',
    phone: {
      ...{ round_trip: { median_ms: 120, p99_ms: 600 }, up_share: MOBILE_UP_SHARE },
      source: 'Both are assumed, since no published figure was found: 2.4 and 3 times those of the slow network',
    },
  },
  {
    name: 'Wi-Fi at home',
    phone: {
      ...{ round_trip: { median_ms: 25, p99_ms: 90 }, up_share: 0.5 },
      source:
        'Codavel: 10 to 25 ms by country, line included; V. Sarode, Why every home needs a Wi-Fi mesh (2022): p99 about 90 ms over 24 h in one home with a mesh',
    },
  },
  {
    name: 'Wi-Fi, crowded',
    phone: {
      // By the lognormal whose median is 20 and whose 90th percentile is 100 ms.
      ...{ round_trip: { median_ms: 20, p99_ms: 371 }, up_share: 0.5 },
      source:
        'WiFi can be the weakest link of round trip network latency in the wild (INFOCOM 2016): over 20 ms for more than half and over 100 ms for a tenth of TCP packets on a campus; p99 by the lognormal through both',
    },
  },
]

/** The home's line, as the hub sees it. */
export const HOME_LINK: Link = {
  ...{ round_trip: { median_ms: 25, p99_ms: 90 }, up_share: 0.5 },
  source: 'As Wi-Fi at home: no published percentiles of a wired hub were found, which is faster',
}

/** One way over the home's mesh, one of Zigbee, Thread and Z-Wave: what is known of them lies close together. */
export const RADIO: Delay & { readonly source: string } = {
  ...{ median_ms: 32, p99_ms: 100 },
  source:
    'Silicon Labs, Mesh Network Performance Comparison: small payloads take below 200 ms there and back over up to six hops of Zigbee or Thread; half of it is taken as p99. Median: 32 ms for a Z-Wave command that no answer is awaited of (tests of Z-Wave modules by C. Walker, cocoontech.com); Silicon Labs publishes its charts of Zigbee as images, which could not be read',
}

/** Parts of the lognormal: the standard deviation of the logarithm. */
const spreadOf = ({ median_ms, p99_ms }: Delay) => Math.log(p99_ms / median_ms) / Z99

export function drawDelay_ms(random: Random, delay: Delay): number {
  return logNormal(random, delay.median_ms, spreadOf(delay))
}

/** One direction of a link: its share of each round trip. */
export function oneWay({ round_trip, up_share }: Link, direction: 'up' | 'down'): Delay {
  const share = direction === 'up' ? up_share : 1 - up_share
  return { median_ms: share * round_trip.median_ms, p99_ms: share * round_trip.p99_ms }
}

/** The same ways without Hearth: up from the phone, down to the home, over the radio; drawn so many times. */
export function waysAlone_ms({ phone }: Profile, random: Random, count: number): readonly number[] {
  const ways = [oneWay(phone, 'up'), oneWay(HOME_LINK, 'down'), RADIO]
  return Array.from({ length: count }, () => ways.reduce((sum, way) => sum + drawDelay_ms(random, way), 0))
}
