/** Waiting for what another process brings about: asked again and again, with a limit that only a failure reaches. */
import {setTimeout} from 'node:timers/promises';

const LIMIT_MS = 20_000;
const PAUSE_MS = 25;

/** Resolves with the first answer that is not false or undefined. A failure shows the last thing that was seen. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | false | undefined> | T | false | undefined,
  seen: () => unknown = () => undefined,
): Promise<T> {
  const deadlineMs = performance.now() + LIMIT_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    if (performance.now() > deadlineMs) {
      const last = await seen();
      const shown = typeof last === 'string' ? last : JSON.stringify(last, undefined, 1);
      throw new Error(`after ${LIMIT_MS / 1000} s still not: ${what}${shown === undefined ? '' : `\n${shown}`}`);
    }
    await setTimeout(PAUSE_MS);
  }
}
