/**
 * What takes the steps of a failed call back, newest first. A step is registered as soon as it has begun to have an
 * effect. Undoing tries everything, whatever fails on the way: what is left over is named in the log, and found again by
 * DEL or at the next start of the agent.
 */
import {codeOf, messageChain} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';

export class Undo {
  readonly #steps: {readonly what: string; readonly undo: () => Promise<unknown>}[] = [];

  add(what: string, undo: () => Promise<unknown>): void {
    this.#steps.push({what, undo});
  }

  /** Resolves to whether everything could be taken back. */
  async run(log: Logger): Promise<boolean> {
    let isClean = true;
    for (const {what, undo} of this.#steps.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        isClean = false;
        log.warn({step: what, code: codeOf(error), reason: messageChain(error)}, 'a failed call could not be undone');
      }
    }
    return isClean;
  }
}

/** Both at once; when one fails the other is still awaited, so that nothing happens after the call has ended. */
export async function together<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
  return [a.value, b.value];
}
