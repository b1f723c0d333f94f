/**
 * One action on every resource of the input, and Calico's account of it: going on after what failed, counting what was
 * done, and saying which part succeeded.
 */

import type {ResourceId} from '../model/kind.ts';
import type {Arguments} from './command-line.ts';
import {errorText, isBug, isStoreFailure, nameOf} from './error-text.ts';
import {Failure} from './failure.ts';
import {idOf, type Target} from './input/targets.ts';
import type {Io} from './io.ts';
import {startProgress} from './progress.ts';

export interface BulkResult {
  readonly targets: readonly Target[];
  readonly done: number;
  /** Those that the action was tried on, with or without success. */
  readonly tried: number;
  readonly errors: readonly string[];
}

/** Words of the verb in its messages. */
export interface Verb {
  readonly present: string;
  readonly past: string;
  /** Before the list of errors after a partial success. */
  readonly hit: string;
}

/** Every target of the file named by `--filename`; undefined when there is none and that is fine. */
export async function fileTargets(io: Io, args: Arguments, filename: string): Promise<readonly Target[] | undefined> {
  const {readTextFiles} = await import('./input/text-documents.ts');
  const {TargetReader} = await import('./input/target-reader.ts');
  const reader = new TargetReader();
  const mayBeEmpty = args.has('skip-empty');
  const targets: Target[] = [];
  for (const {name, documents} of await readTextFiles(io, filename, args.has('recursive'))) {
    const found = documents.flatMap((document) => reader.read(document));
    if (found.length === 0 && !mayBeEmpty) throw new NothingSpecified(`no resources specified in file ${name}`);
    targets.push(...found);
  }
  if (targets.length > 0) return targets;
  if (mayBeEmpty) return undefined;
  throw new NothingSpecified(`no resources specified in directory ${filename}`);
}

/** A file without resources. */
export class NothingSpecified extends Failure {}

/** What is done to each of several. */
export interface BulkAction {
  /** `applied`, for the person who waits. */
  readonly past: string;
  /** Of the command line. */
  readonly namespace: string | undefined;
  readonly run: (target: Target, id: ResourceId) => Promise<void>;
}

/** Does it to all, one after the other. A datastore that fails ends it: the rest is reported as not done. */
export async function runAll(io: Io, targets: readonly Target[], action: BulkAction): Promise<BulkResult> {
  const progress = startProgress(io, action.past, targets.length);
  try {
    return await runEach(targets, action, (tried) => progress.report(tried));
  } finally {
    progress.end();
  }
}

async function runEach(
  targets: readonly Target[],
  {namespace, run}: BulkAction,
  onTried: (tried: number) => void,
): Promise<BulkResult> {
  const errors: string[] = [];
  let done = 0;
  let tried = 0;
  for (const [i, target] of targets.entries()) {
    let id: ResourceId = {name: target.name};
    try {
      id = idOf(target, namespace);
      tried++;
      await run(target, id);
      done++;
    } catch (error) {
      if (isBug(error)) throw error;
      const text = placed(errorText(error, target.kind, id), target, id, i, targets.length);
      const rest = targets.length - i - 1;
      const isLast = isStoreFailure(error);
      errors.push(isLast && rest > 0 ? `${text} (${rest} more not tried)` : text);
      if (isLast) break;
    }
    onTried(i + 1);
  }
  return {targets, done, tried, errors};
}

/** A broken rule says nothing of whose it is, and a file may hold thousands. */
function placed(text: string, {kind}: Target, id: ResourceId, i: number, total: number): string {
  if (total === 1 || !text.startsWith('error with ')) return text;
  return `${text} in ${nameOf(kind, id)}, resource ${i + 1} of ${total}`;
}

/** The kind of all targets; undefined when they differ. */
export function singleKind(targets: readonly Target[]): string | undefined {
  const kinds = new Set(targets.map(({kind}) => kind.kind));
  const [kind] = kinds;
  return kinds.size === 1 ? kind : undefined;
}

/** Prints what became of it. Throws a Failure when something did not work. */
export function reportWrites(io: Io, {present, past, hit}: Verb, {targets, done, errors}: BulkResult): void {
  const kind = singleKind(targets);
  const ofKind = kind === undefined ? '' : `'${kind}' `;
  const list = `[${errors.join(' ')}]`;
  if (done === 0) {
    if (targets.length === 1) throw new Failure(`failed to ${present} ${ofKind}resource: ${list}`);
    throw new Failure(`failed to ${present} any ${ofKind}resources: ${list}`);
  }
  if (errors.length === 0) {
    io.out(`Successfully ${past} ${done} ${ofKind}resource(s)\n`);
    return;
  }
  // Calico compares what succeeded with what failed, and speaks of a partial success only when that is more.
  if (done > errors.length)
    io.out(`Partial success: ${past} the first ${done} out of ${targets.length} ${ofKind}resources:\n`);
  throw new Failure(`${hit}: ${list}`);
}

/** The same for `replace`, where Calico counts what it tried and names only the last error. */
export function reportReplaced(io: Io, {targets, tried, errors}: BulkResult): void {
  const kind = singleKind(targets);
  const ofKind = kind === undefined ? '' : `'${kind}' `;
  const last = errors.at(-1);
  if (last === undefined) {
    io.out(`Successfully replaced ${tried} ${ofKind}resource(s)\n`);
    return;
  }
  if (tried === 0) {
    if (targets.length === 1) throw new Failure(`failed to replace ${ofKind}resource: ${last}`);
    throw new Failure(`failed to replace any ${ofKind}resources: ${last}`);
  }
  io.out(`Partial success: replaced the first ${tried} out of ${targets.length} ${ofKind}resources:\n`);
  throw new Failure(`hit error: ${last}`);
}
