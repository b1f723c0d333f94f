/** Versions of the CNI specification: which we speak, which verbs each knows. */
import {AgentError} from '../lib/errors.ts';

export const SUPPORTED_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];

/** A configuration that names no version has this one. */
export const DEFAULT_VERSION: CniVersion = '0.2.0';

export type Verb = 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC';

const VERBS: readonly Verb[] = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC'];

/** The version of the specification that brought a verb. */
const SINCE: Readonly<Record<Verb, CniVersion>> = {
  ADD: '0.1.0',
  DEL: '0.1.0',
  CHECK: '0.4.0',
  STATUS: '1.1.0',
  GC: '1.1.0',
};

export const parseVerb = (text: string): Verb | undefined => VERBS.find((verb) => verb === text);

/** The version as one of ours. Throws E_CNI_INCOMPATIBLE when we do not speak it, or when it does not know the verb. */
export function requireVersion(text: string, verb: Verb): CniVersion {
  const version = text === '' ? DEFAULT_VERSION : text;
  if (SINCE[verb] !== '0.1.0') requireKnownVerb(version, verb);
  const supported = SUPPORTED_VERSIONS.find((each) => each === version);
  if (supported !== undefined) return supported;
  throw new AgentError('E_CNI_INCOMPATIBLE', 'incompatible CNI versions', {
    details: `config is ${JSON.stringify(version.slice(0, 64))}, plugin supports [${SUPPORTED_VERSIONS.map((each) => JSON.stringify(each)).join(' ')}]`,
  });
}

function requireKnownVerb(version: string, verb: Verb): void {
  const asked = numbers(version);
  if (asked === undefined)
    throw new AgentError('E_CNI_DECODE', `cniVersion ${JSON.stringify(version.slice(0, 64))} is not a version`);
  if (isBefore(asked, numbers(SINCE[verb]) ?? []))
    throw new AgentError('E_CNI_INCOMPATIBLE', `config version does not allow ${verb}`);
  if (isBefore(numbers(SUPPORTED_VERSIONS[SUPPORTED_VERSIONS.length - 1] ?? '') ?? [], asked))
    throw new AgentError('E_CNI_INCOMPATIBLE', `plugin version does not allow ${verb}`);
}

const numbers = (version: string): number[] | undefined =>
  /^\d{1,6}(\.\d{1,6}){0,2}$/.test(version) ? version.split('.').map(Number) : undefined;

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < 3; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
