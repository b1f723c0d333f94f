/**
 * Writing what a migration file holds. The destination must be empty but for what the file itself says: so an import
 * that broke off is simply run again, what it had written is recognised, and nothing of anybody else is touched.
 *
 * Works on any store that takes all kinds: several records go into one commit as far as the store allows.
 */
import {commitFailureOf} from '../../datastore/precondition.ts';
import type {Operation} from '../../datastore/store.ts';
import {AgentError} from '../../lib/errors.ts';
import {isJsonObject, type JsonObject, parseJson, printJson} from '../../lib/exact-json.ts';
import {FELIX_PREFIX, type ParsedKey, parseKey, ROOT_PREFIX} from '../../model/keys.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {BUILT_IN_TIERS, Tier} from '../../model/kinds/tier.ts';
import {kindOfPlural} from '../../model/kinds.ts';
import {plainText} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Session} from '../session.ts';
import type {StoredPair} from './ipam-section.ts';

/** Of one commit; the servers' own limits are higher. */
const MOST_OPERATIONS = 64;
const MOST_CHARACTERS = 512 * 1024;

/** One record to write. */
export interface ImportStep {
  readonly what: string;
  readonly operation: Extract<Operation, {readonly kind: 'create' | 'update'}>;
}

/** What is left to write of the file, by key. Throws a Failure when the destination holds anything else. */
export async function planImport(
  {store, call}: Session,
  wanted: readonly StoredPair[],
): Promise<ReadonlyMap<string, ImportStep>> {
  const steps = new Map(
    wanted.map(({what, key, value}): [string, ImportStep] => [key, {what, operation: {kind: 'create', key, value}}]),
  );
  const {entries} = await store.list(ROOT_PREFIX, call);
  for (const {key, value: stored, revision} of entries) {
    const step = steps.get(key);
    if (step === undefined || !isSame(step.operation.value, stored)) {
      if (!isThereBefore(key)) throw existing(key);
      if (step === undefined) continue;
      const {value} = step.operation;
      steps.set(key, {what: step.what, operation: {kind: 'update', key, value, revision}});
    } else steps.delete(key);
  }
  return steps;
}

/** What a datastore has before anything is imported: the lock, built-in tiers, and reports of agents. */
function isThereBefore(key: string): boolean {
  if (key.startsWith(FELIX_PREFIX)) return true;
  const parsed = parseKey(key);
  if (parsed?.kind !== 'resource') return false;
  return (
    parsed.plural === ClusterInformation.plural || (parsed.plural === Tier.plural && BUILT_IN_TIERS.has(parsed.name))
  );
}

function existing(key: string): Failure {
  return new Failure(
    `datastore already has Calico resources: found existing ${nameOfKey(key)}. Import into an empty datastore, or one that holds a part of the same file`,
  );
}

function nameOfKey(key: string): string {
  const parsed: ParsedKey | undefined = parseKey(key);
  if (parsed?.kind !== 'resource') return `IPAM resources (${key})`;
  const {plural, namespace, name} = parsed;
  const kind = kindOfPlural(plural)?.kind ?? plural;
  return `Calico ${kind} resource ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** Equal but for what every datastore gives a resource itself. */
function isSame(wanted: string, stored: string): boolean {
  return wanted === stored || withoutBirth(wanted) === withoutBirth(stored);
}

function withoutBirth(text: string): string {
  const value = parseJson(text);
  if (!isJsonObject(value) || !isJsonObject(value.metadata)) return text;
  const metadata: JsonObject = {...value.metadata, uid: undefined, creationTimestamp: undefined};
  return printJson({...value, metadata});
}

/** Writes them; `onProgress` hears how many are there. Throws a Failure that says how far it came. */
export async function writeSteps(
  {store, call}: Session,
  steps: readonly ImportStep[],
  onProgress: (done: number) => void,
): Promise<void> {
  let done = 0;
  for (const chunk of chunksOf(steps, Math.min(MOST_OPERATIONS, store.capabilities.maxOps))) {
    try {
      await store.commit(
        chunk.map(({operation}) => operation),
        call,
      );
    } catch (cause) {
      if (!(cause instanceof AgentError)) throw cause;
      const at = chunk[commitFailureOf(cause)?.index ?? 0];
      throw new Failure(
        `${done} of ${steps.length} were written, then ${at?.what} could not be: ${plainText(cause)}\nThe datastore stays locked. Import the same file again: it goes on where this ended`,
        {cause},
      );
    }
    done += chunk.length;
    onProgress(done);
  }
}

function* chunksOf(steps: readonly ImportStep[], most: number): Generator<readonly ImportStep[], void, void> {
  let chunk: ImportStep[] = [];
  let size = 0;
  for (const step of steps) {
    if (chunk.length === most || (chunk.length > 0 && size + step.operation.value.length > MOST_CHARACTERS)) {
      yield chunk;
      chunk = [];
      size = 0;
    }
    chunk.push(step);
    size += step.operation.value.length;
  }
  if (chunk.length > 0) yield chunk;
}
