/** Turns the kernel's answers to a batch into the failures of a driver's round. */
import type {AgentError} from '../../../lib/errors.ts';
import {AgentError as Failure} from '../../../lib/errors.ts';
import {netlinkError, type Outcome} from '../../../netlink/kernel-answer.ts';

/** Adds to `failed` the keys whose outcome is a refusal. `what` says what was asked: "write the route". */
export function collectFailures<K extends string>(
  failed: Map<K, Error>,
  keys: readonly K[],
  outcomes: readonly Outcome[],
  what: string,
): void {
  outcomes.forEach((outcome, i) => {
    const key = keys[i];
    if (!outcome.ok && key !== undefined) failed.set(key, netlinkError(outcome, what, {key}));
  });
}

/** The link went away between being seen and being used. */
export const missingLink = (link: string, what: string): AgentError =>
  new Failure('E_NETLINK', `cannot ${what}: there is no link ${link}`, {link});
