/**
 * The one place where an error becomes what a container runtime reads: a CNI error code, a message, details.
 *
 * Calico's own failures all have code 999; only what the specification names has a code of its own. `details` of those
 * is what the specification asks for; of the others it is what a person can do.
 */
import {AgentError, type ErrorCode, messageChain} from '../lib/errors.ts';
import {printCniJson} from './result.ts';

export interface CniFailure {
  readonly code: number;
  readonly msg: string;
  readonly details: string | undefined;
}

/** Code of the CNI specification by ours; every other is 999. */
const CODES: Partial<Readonly<Record<ErrorCode, number>>> = {
  E_CNI_INCOMPATIBLE: 1,
  E_CNI_BAD_ENV: 4,
  E_CNI_DECODE: 6,
  E_CNI_BAD_NETWORK_CONFIG: 7,
  E_CNI_OWN_NETNS: 8,
  E_CNI_TRY_LATER: 11,
};
const INTERNAL = 999;
/** Of a connection test that fails; Calico's. */
export const CONNECTION_FAILED = 100;
/** STATUS: no pod can be added now. */
export const NOT_AVAILABLE = 50;
/** STATUS: no pod can be added, and those that are there may lack connectivity. */
export const LIMITED_CONNECTIVITY = 51;

const LONGEST_TEXT = 4096;

export function cniFailureOf(error: unknown): CniFailure {
  if (!(error instanceof AgentError))
    return {code: INTERNAL, msg: clip(messageChain(error)), details: 'This is a defect of the agent; see its log.'};
  const code = CODES[error.code] ?? INTERNAL;
  const {details} = error.context;
  if (typeof details === 'string') return {code, msg: clip(error.message), details: clip(details)};
  return {code, msg: clip(messageChain(error)), details: code === INTERNAL ? error.remedy : undefined};
}

/** As Calico prints it: no cniVersion, no final newline, details only when there are some. */
export function printFailure({code, msg, details}: CniFailure): string {
  return printCniJson({code, msg, ...(details === undefined || details === '' ? {} : {details})});
}

const clip = (text: string): string => (text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 3)}...` : text);
