/**
 * Dates as S3 spells them, from and to Unix milliseconds. Written out because a formatted date is on the path of every
 * answer and these are several times faster than the general ones, and because this folder names no clock.
 */
import type { UnixMs } from '../../../../protocol/units.ts'

const DAY_MS = 86_400_000
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`)
const three = (n: number): string => (n < 10 ? `00${n}` : n < 100 ? `0${n}` : `${n}`)
const four = (n: number): string => String(n).padStart(4, '0')

interface Fields {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly weekday: number
  readonly time: string
  readonly ms: number
}

/** Civil date of a day number, after H. Hinnant, "chrono-compatible low-level date algorithms" (civil_from_days). */
function fields(at: number): Fields {
  const days = Math.floor(at / DAY_MS)
  const rest = at - days * DAY_MS
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const seconds = Math.floor(rest / 1000)
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
    weekday: (((days + 4) % 7) + 7) % 7,
    time: `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`,
    ms: rest % 1000,
  }
}

/** days_from_civil of the same source; null when the date does not exist. */
function unixMs(year: number, month: number, day: number, hour: number, minute: number, second: number): UnixMs | null {
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return null
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  const at = (era * 146_097 + dayOfEra - 719_468) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000
  return fields(at).day === day || second === 60 ? (at as UnixMs) : null
}

/** `Fri, 24 May 2013 00:00:00 GMT` (RFC 9110 IMF-fixdate), for Last-Modified. */
export function httpDate(at: UnixMs): string {
  const f = fields(at)
  return `${WEEKDAYS[f.weekday]}, ${two(f.day)} ${MONTHS[f.month - 1]} ${four(f.year)} ${f.time} GMT`
}

/** `2013-05-24T00:00:00.000Z`, for XML. */
export function isoDate(at: UnixMs): string {
  const f = fields(at)
  return `${four(f.year)}-${two(f.month)}-${two(f.day)}T${f.time}.${three(f.ms)}Z`
}

const AMZ_DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/
const HTTP_DATE = /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/

/** Milliseconds of `20130524T000000Z` (x-amz-date), or null. */
export function parseAmzDate(text: string): UnixMs | null {
  const match = AMZ_DATE.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second] = match
  return unixMs(Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second))
}

/** Milliseconds of an IMF-fixdate, or null. */
export function parseHttpDate(text: string): UnixMs | null {
  const match = HTTP_DATE.exec(text)
  if (match === null) return null
  const [, day, name, year, hour, minute, second] = match
  return unixMs(Number(year), MONTHS.indexOf(name ?? '') + 1, Number(day), Number(hour), Number(minute), Number(second))
}

/** `20130524T000000Z`, the timestamp that a signature covers. */
export function amzDate(at: UnixMs): string {
  const f = fields(at)
  return `${four(f.year)}${two(f.month)}${two(f.day)}T${f.time.replaceAll(':', '')}Z`
}
