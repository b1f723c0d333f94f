/**
 * What went wrong with one resource, in Calico's words: scripts look for them. Where Calico has no words, ours say what
 * failed and what to do.
 */
import {AgentError, codeOf, type ErrorCode, hasCode, messageChain, messageOf} from '../lib/errors.ts';
import type {ResourceId, ResourceKind} from '../model/kind.ts';
import {DEFAULT_ALLOW_PROFILE, Profile} from '../model/kinds/profile.ts';
import type {Violation} from '../model/violation.ts';
import {Failure} from './failure.ts';

/** `IPPool(default)`, `WorkloadEndpoint(prod/web)`. */
export const nameOf = (kind: ResourceKind, {name, namespace}: ResourceId): string =>
  `${kind.kind}(${namespace === undefined ? '' : `${namespace}/`}${name})`;

export const notThere = (kind: ResourceKind, id: ResourceId): string =>
  `resource does not exist: ${nameOf(kind, id)} with error: <nil>`;

/** The text of an error that working on the resource met. */
export function errorText(error: unknown, kind: ResourceKind, id: ResourceId): string {
  if (hasCode(error, 'E_NOT_FOUND')) return notThere(kind, id);
  if (hasCode(error, 'E_EXISTS')) {
    if (kind.kind === Profile.kind && id.name === DEFAULT_ALLOW_PROFILE) return DEFAULT_ALLOW_EXISTS;
    return `resource already exists: ${nameOf(kind, id)} with error: <nil>`;
  }
  if (hasCode(error, 'E_CONFLICT')) return `update conflict: ${nameOf(kind, id)}`;
  if (hasCode(error, 'E_INVALID_RESOURCE')) return invalidText(error);
  return plainText(error);
}

/** It is never stored, but always there. */
const DEFAULT_ALLOW_EXISTS = `resource already exists: ${DEFAULT_ALLOW_PROFILE} with error: ${DEFAULT_ALLOW_PROFILE} already exists. The profile "${DEFAULT_ALLOW_PROFILE}" is default provided by Calico`;

/** What failed, why, and what to do. */
export const plainText = (error: unknown): string =>
  error instanceof AgentError ? `${messageChain(error)}. ${error.remedy}` : messageOf(error);

/** Neither the environment nor the input is wrong, but this program: nobody may go on. */
export const isBug = (error: unknown): boolean => !(error instanceof AgentError || error instanceof Failure);

/** `error with field PATH = 'VALUE' (RULE)`; several go below each other. */
function invalidText(error: unknown): string {
  const violations = error instanceof AgentError ? error.context.violations : undefined;
  if (!isViolations(violations) || violations.length === 0) return messageOf(error);
  const texts = violations.map(violationText);
  return texts.length === 1
    ? `error with field ${texts[0]}`
    : `error with the following fields:\n${texts.map((text) => `-  ${text}\n`).join('')}`;
}

/** One field that is wrong, as Calico writes it. */
export function violationText({path, value, rule}: Violation): string {
  return `${path === '' ? 'resource' : path}${value === undefined ? '' : ` = '${unquoted(value)}'`} (${rule})`;
}

const unquoted = (value: string): string => (value.startsWith('"') ? (JSON.parse(value) as string) : value);

function isViolations(value: unknown): value is readonly Violation[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null && 'rule' in each);
}

/** The datastore itself failed: the next resource would fare no better. */
const STORE_FAILURES: ReadonlySet<string> = new Set<ErrorCode>([
  'E_UNREACHABLE',
  'E_UNAUTHORISED',
  'E_DEADLINE',
  'E_ABORTED',
  'E_STORE_FULL',
  'E_STORE_READ_ONLY',
  'E_STORE_IO',
  'E_STORE_CORRUPT',
  'E_STORE_UNSAFE',
]);

export const isStoreFailure = (error: unknown): boolean => STORE_FAILURES.has(codeOf(error) ?? '');
