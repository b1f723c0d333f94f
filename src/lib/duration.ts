/**
 * Durations as Go writes them ("1m30s", "500ms", "0s"), because that is how Calico's resources, settings and health
 * tables spell them. Inside, a duration is a number of milliseconds.
 */

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** One way only to read a row of digits, or a long one would be read in every way. */
const PART = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)/y;

/** Go counts nanoseconds in 63 bits: 292 years. */
const LONGEST_MS = 2 ** 63 / 1e6;

/** Milliseconds of a Go duration: an optional sign, then numbers with units, or just 0; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
  const sign = /^[+-]?/.exec(text)?.[0] ?? '';
  if (text.slice(sign.length) === '0') return 0;
  let totalMs = 0;
  let at = sign.length;
  if (at === text.length) return undefined;
  while (at < text.length) {
    PART.lastIndex = at;
    const match = PART.exec(text);
    if (match === null) return undefined;
    const [part, digits = '', unit = ''] = match;
    totalMs += Number(digits) * (UNIT_MS[unit] ?? 0);
    at += part.length;
  }
  if (totalMs >= LONGEST_MS) return undefined;
  return sign === '-' ? -totalMs : totalMs;
}

/** The text Go's Duration.String gives, to the microsecond. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 0) return `-${formatDuration(-durationMs)}`;
  const totalUs = Math.round(durationMs * 1000);
  if (totalUs === 0) return '0s';
  if (totalUs < 1000) return `${totalUs}µs`;
  if (totalUs < 1_000_000) return `${totalUs / 1000}ms`;
  const minutes = Math.floor(totalUs / 60_000_000);
  const seconds = `${(totalUs - minutes * 60_000_000) / 1_000_000}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}
