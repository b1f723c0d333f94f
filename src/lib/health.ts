/**
 * Who is well: every part of the process reports for itself, and the process is live or ready when all of them are.
 *
 * Promise: silence is not health. A reporter with a time limit that has not reported within it is neither live nor
 * ready, so a loop that hangs is noticed although it cannot say so itself. From its registration until its first report
 * a reporter counts as live and not ready, and its limit runs.
 */
import type {Clock} from './clock.ts';
import {formatDuration} from './duration.ts';

export interface ReporterOptions {
  /** Longest time between two reports; no limit when absent or 0. */
  readonly timeoutMs?: number | undefined;
  /** Whether the process's liveness depends on this reporter; default true. */
  readonly liveness?: boolean | undefined;
  /** Whether the process's readiness depends on this reporter; default true. */
  readonly readiness?: boolean | undefined;
}

export interface HealthReport {
  readonly live: boolean;
  readonly ready: boolean;
  /** Why, in a few words. Appears in the body of a probe: no secrets. */
  readonly detail?: string | undefined;
}

export interface ReporterHealth {
  readonly name: string;
  readonly timeoutMs: number | undefined;
  /** Undefined when liveness does not depend on it. */
  readonly live: boolean | undefined;
  readonly ready: boolean | undefined;
  /** It has been silent for longer than its limit; then neither live nor ready. */
  readonly isTimedOut: boolean;
  readonly detail: string;
}

export interface HealthSnapshot {
  readonly live: boolean;
  readonly ready: boolean;
  /** Sorted by name. */
  readonly reporters: readonly ReporterHealth[];
}

interface Reporter {
  readonly name: string;
  readonly timeoutMs: number | undefined;
  readonly liveness: boolean;
  readonly readiness: boolean;
  latest: HealthReport;
  reportedAtMs: number;
}

export class HealthRegistry {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #timeoutOverrides: ReadonlyMap<string, number>;
  readonly #reporters = new Map<string, Reporter>();

  /** `timeoutOverridesMs` replaces the limit of reporters by name; 0 takes it away. */
  constructor(
    options: {readonly timeoutOverridesMs?: ReadonlyMap<string, number> | undefined},
    dependencies: {readonly clock: Pick<Clock, 'monotonicMs'>},
  ) {
    this.#timeoutOverrides = options.timeoutOverridesMs ?? new Map();
    this.#clock = dependencies.clock;
  }

  register(name: string, options: ReporterOptions = {}): void {
    if (this.#reporters.has(name)) throw new Error(`health reporter ${name} is already registered`);
    const timeoutMs = this.#timeoutOverrides.get(name) ?? options.timeoutMs ?? 0;
    this.#reporters.set(name, {
      name,
      timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
      liveness: options.liveness ?? true,
      readiness: options.readiness ?? true,
      latest: {live: true, ready: false},
      reportedAtMs: this.#clock.monotonicMs(),
    });
  }

  /** Takes the reporter away, for a part of the process that was stopped on purpose. */
  unregister(name: string): void {
    this.#reporters.delete(name);
  }

  report(name: string, report: HealthReport): void {
    const reporter = this.#reporters.get(name);
    if (reporter === undefined) throw new Error(`health reporter ${name} is not registered`);
    reporter.latest = report;
    reporter.reportedAtMs = this.#clock.monotonicMs();
  }

  /** "Still alive" from inside a long piece of work: the last report holds for another while. */
  touch(name: string): void {
    const reporter = this.#reporters.get(name);
    if (reporter !== undefined) reporter.reportedAtMs = this.#clock.monotonicMs();
  }

  /** The state at `nowMs` of the monotonic clock. Nobody registered is well. */
  snapshot(nowMs: number = this.#clock.monotonicMs()): HealthSnapshot {
    const reporters = [...this.#reporters.values()]
      .map((reporter) => healthOf(reporter, nowMs))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return {
      live: reporters.every((reporter) => reporter.live !== false),
      ready: reporters.every((reporter) => reporter.ready !== false),
      reporters,
    };
  }
}

function healthOf(reporter: Reporter, nowMs: number): ReporterHealth {
  const {name, timeoutMs, latest} = reporter;
  const isTimedOut = timeoutMs !== undefined && nowMs - reporter.reportedAtMs > timeoutMs;
  return {
    name,
    timeoutMs,
    live: reporter.liveness ? latest.live && !isTimedOut : undefined,
    ready: reporter.readiness ? latest.ready && !isTimedOut : undefined,
    isTimedOut,
    detail: latest.detail ?? '',
  };
}

const HEADINGS = ['COMPONENT', 'TIMEOUT', 'LIVENESS', 'READINESS', 'DETAIL'];

/** The body of a probe in Calico's form: one bordered row per reporter, no newline at the end; empty without any. */
export function renderHealth(snapshot: HealthSnapshot): string {
  if (snapshot.reporters.length === 0) return '';
  const rows = snapshot.reporters.map((reporter) => [
    printable(reporter.name),
    reporter.timeoutMs === undefined ? '-' : formatDuration(reporter.timeoutMs),
    stateText(reporter.live, reporter.isTimedOut, 'live'),
    stateText(reporter.ready, reporter.isTimedOut, 'ready'),
    printable(reporter.detail),
  ]);
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const border = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const line = (cells: string[], pad: (cell: string, width: number) => string) =>
    `|${cells.map((cell, i) => ` ${pad(cell, widths[i] ?? 0)} `).join('|')}|`;
  return [
    border,
    line(HEADINGS, centre),
    border,
    ...rows.map((row) => line(row, (cell, width) => cell.padEnd(width))),
    border,
  ].join('\n');
}

function stateText(state: boolean | undefined, isTimedOut: boolean, word: string): string {
  if (state === undefined) return '-';
  if (isTimedOut) return 'timed out';
  return state ? `reporting ${word}` : `reporting non-${word}`;
}

const centre = (text: string, width: number): string =>
  text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width);

/** One line without control characters, whatever the detail was made of. */
const printable = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');
