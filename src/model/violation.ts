/**
 * What is wrong with a value somebody wrote: where (path), what was found (value), what is asked for (rule). One form
 * for every error about data, so that a person always sees `spec.cidr = "10.0.0.1/24": must be strictly masked`.
 */
import {AgentError} from '../lib/errors.ts';

export interface Violation {
  /** `spec.ports[2].protocol`; empty for the whole. */
  readonly path: string;
  /** What was found, as text ready to print; undefined when nothing is there. */
  readonly value: string | undefined;
  /** A sentence that continues "this value ...": `must be strictly masked`. */
  readonly rule: string;
}

/** Of a path and of a value, in characters. */
const LONGEST_TEXT = 128;
const MOST_VIOLATIONS = 32;

export function violation(path: string, value: unknown, rule: string): Violation {
  return {path: clip(path), value: value === undefined ? undefined : printable(value), rule};
}

export function formatViolation({path, value, rule}: Violation): string {
  return `${path === '' ? 'value' : path}${value === undefined ? '' : ` = ${value}`}: ${rule}`;
}

/** The error of one or several violations; `what` names the object, for example `IPPool "default"`. */
export function invalidResource(what: string, violations: readonly Violation[]): AgentError {
  const shown = violations.slice(0, MOST_VIOLATIONS);
  const more = violations.length - shown.length;
  const text = shown.map(formatViolation).join('; ') + (more > 0 ? `; and ${more} more` : '');
  const [first] = shown;
  const context = {what, path: first?.path, value: first?.value, rule: first?.rule, violations: shown};
  return new AgentError('E_INVALID_RESOURCE', `${what}: ${text}`, context);
}

/** Short text of any value, bounded in length and depth whatever somebody put there. */
function printable(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(clip(value));
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' || value === null)
    return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

const clip = (text: string): string => (text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 3)}...` : text);
