/** Dates and numbers as readers of one locale write them. */
export interface Formats {
  /** The day in UTC, with the year only where it is not this one: `3 May`. */
  date(date: Date): string
  /** The day with its year, for paper: `3 May 2026`. */
  fullDate(date: Date): string
  /** `14:05 UTC`: what reaches us of a reader does not tell the time zone. */
  time(date: Date): string
  /** Both, joined as the language does: `3 May 2026 at 14:05 UTC`. */
  moment(date: Date): string
  number(value: number): string
  /** Of a share from 0 to 1: `87.5%`. */
  percent(share: number): string
  /** `30 days` */
  duration(milliseconds: number): string
}

const day = { day: 'numeric', month: 'long' } as const
const clock = { hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const
const half = { maximumFractionDigits: 1 } as const

const dateStyles = {
  day,
  fullDay: { ...day, year: 'numeric' },
  time: clock,
  moment: { ...day, year: 'numeric', ...clock },
} as const

const numberStyles = {
  plain: {},
  percent: { style: 'percent', ...half },
  day: { style: 'unit', unit: 'day', unitDisplay: 'long', ...half },
  hour: { style: 'unit', unit: 'hour', unitDisplay: 'long', ...half },
  minute: { style: 'unit', unit: 'minute', unitDisplay: 'long', ...half },
  second: { style: 'unit', unit: 'second', unitDisplay: 'long', ...half },
} as const

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** @param locale a canonical BCP 47 tag */
export function createFormats(locale: string): Formats {
  // A formatter costs a hundred times as much as what it formats: each is made when it is asked for, once.
  const dates = kept((style: keyof typeof dateStyles) => {
    return new Intl.DateTimeFormat(locale, { timeZone: 'UTC', ...dateStyles[style] })
  })
  const numbers = kept((style: keyof typeof numberStyles) => {
    return new Intl.NumberFormat(locale, numberStyles[style])
  })
  return {
    date(date) {
      const thisYear = date.getUTCFullYear() === new Date().getUTCFullYear()
      return dates(thisYear ? 'day' : 'fullDay').format(date)
    },
    fullDate: (date) => dates('fullDay').format(date),
    time: (date) => dates('time').format(date),
    moment: (date) => dates('moment').format(date),
    number: (value) => numbers('plain').format(value),
    percent(share) {
      // Neither all nor none where one is missing.
      const shown = share > 0.999 && share < 1 ? 0.999 : share < 0.001 && share > 0 ? 0.001 : share
      return numbers('percent').format(shown)
    },
    duration(milliseconds) {
      const [unit, size] = units.find(([, one]) => milliseconds >= one) ?? (['second', 1000] as const)
      return numbers(unit).format(milliseconds / size)
    },
  }
}

function kept<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const made = new Map<Key, Value>()
  return (key) => {
    const value = made.get(key) ?? make(key)
    made.set(key, value)
    return value
  }
}
