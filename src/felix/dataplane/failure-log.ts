/**
 * Says once what fails and once that it works again. What fails at every attempt in between is only counted, or a route
 * that the kernel refuses would fill the log.
 */
import {codeOf, messageChain} from '../../lib/errors.ts';
import type {Logger} from '../../lib/log.ts';
import type {PlanResult} from './plan.ts';

export class FailureLog {
  readonly #log: Logger;
  /** Step -> keys that failed in the last run ('' is the step itself). */
  #failing = new Map<string, ReadonlySet<string>>();

  constructor(dependencies: {readonly log: Logger}) {
    this.#log = dependencies.log;
  }

  /** Takes over the outcome of a run. Steps it did not reach keep their state. */
  note({failures, stoppedBy}: PlanResult): void {
    for (const [step, failed] of failures) {
      const before = this.#failing.get(step);
      const isNew = failed.filter(({key}) => !before?.has(key ?? ''));
      this.#failing.set(step, new Set(failed.map(({key}) => key ?? '')));
      const [first] = isNew;
      if (first === undefined) continue;
      const fields = {
        step,
        failed: failed.length,
        key: first.key,
        code: codeOf(first.error),
        reason: messageChain(first.error),
        err: first.error,
      };
      if (step === stoppedBy) this.#log.error(fields, 'data plane step failed, new workload interfaces stay down');
      else this.#log.warn(fields, 'data plane step failed, will be tried again');
    }
    if (stoppedBy !== undefined) return;
    for (const step of this.#failing.keys()) {
      if (failures.has(step)) continue;
      this.#failing.delete(step);
      this.#log.info({step}, 'data plane step works again');
    }
  }
}
