/**
 * How far a long command has come, as one line of a terminal that is written over and gone at the end. Where standard
 * error is no terminal nothing is written: a pipe gets results only. Short commands never show it.
 */
import type {Io} from './io.ts';

export interface Progress {
  report(done: number): void;
  end(): void;
}

const FIRST_MS = 500;
const NEXT_MS = 100;
/** To the start of the line, and clear what is on it. */
const CLEAR = '\r\u001b[2K';

const SILENT: Progress = {report() {}, end() {}};

/** `past` is what has been done to `total` things: `applied`. */
export function startProgress(
  io: Pick<Io, 'err' | 'isErrorTerminal' | 'clock'>,
  past: string,
  total: number,
): Progress {
  if (!io.isErrorTerminal) return SILENT;
  const {clock} = io;
  let nextMs = clock.monotonicMs() + FIRST_MS;
  let isShown = false;
  return {
    report(done) {
      const nowMs = clock.monotonicMs();
      if (nowMs < nextMs) return;
      nextMs = nowMs + NEXT_MS;
      isShown = true;
      io.err(`${CLEAR}${past} ${done} of ${total}`);
    },
    end() {
      if (isShown) io.err(CLEAR);
      isShown = false;
    },
  };
}
