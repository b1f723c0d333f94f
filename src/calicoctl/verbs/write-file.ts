/** The verbs that write what a file says: create, apply and replace. */

import {hasCode} from '../../lib/errors.ts';
import type {ResourceId} from '../../model/kind.ts';
import {type BulkResult, fileTargets, reportReplaced, reportWrites, runAll, type Verb} from '../bulk.ts';
import type {Arguments} from '../command-line.ts';
import {
  CONFIG_FLAG,
  CONTEXT_FLAG,
  type CommandDeclaration,
  FILE_FLAGS,
  NAMESPACE_FLAG,
  namespaceOf,
  parseArguments,
  usageFailure,
  VERSION_FLAG,
} from '../command-line.ts';
import type {Target} from '../input/targets.ts';
import type {Io} from '../io.ts';
import {ResourceWriter} from '../resource-writer.ts';
import {tryAddInitialContent} from '../rules/initial-content.ts';
import {checkClusterVersion, withSession} from '../session.ts';

type Action = (writer: ResourceWriter, args: Arguments) => (target: Target, id: ResourceId) => Promise<void>;

interface FileVerb {
  readonly declaration: CommandDeclaration;
  readonly past: string;
  /** Says what became of it. */
  readonly report: (io: Io, result: BulkResult) => void;
  readonly action: Action;
}

const reportWith =
  (words: Verb) =>
  (io: Io, result: BulkResult): void =>
    reportWrites(io, words, result);

const COMMON = [...FILE_FLAGS, CONFIG_FLAG, NAMESPACE_FLAG, CONTEXT_FLAG, VERSION_FLAG];

const CREATE: FileVerb = {
  declaration: {
    name: 'create',
    help: 'Creates resources. One that is already there is an error.',
    flags: [...COMMON, {long: 'skip-exists', help: 'what is already there is left as it is'}],
    takesOperands: false,
  },
  past: 'created',
  report: reportWith({present: 'create', past: 'created', hit: 'hit error'}),
  action: (writer, args) => async (target, id) => {
    try {
      await writer.create(target, id);
    } catch (error) {
      if (!(args.has('skip-exists') && hasCode(error, 'E_EXISTS'))) throw error;
    }
  },
};

const APPLY: FileVerb = {
  declaration: {
    name: 'apply',
    help: 'Creates resources, or replaces those that are there.',
    flags: COMMON,
    takesOperands: false,
  },
  past: 'applied',
  report: reportWith({present: 'apply', past: 'applied', hit: 'hit error(s)'}),
  action: (writer) => (target, id) => writer.apply(target, id),
};

const REPLACE: FileVerb = {
  declaration: {
    name: 'replace',
    help: 'Replaces resources that are there. With a resourceVersion in the document, only if it is still that one.',
    flags: COMMON,
    takesOperands: false,
  },
  past: 'replaced',
  report: reportReplaced,
  action: (writer) => (target, id) => writer.replace(target, id),
};

export const runCreate = (io: Io, rest: readonly string[]): Promise<number> => runFileVerb(CREATE, io, rest);
export const runApply = (io: Io, rest: readonly string[]): Promise<number> => runFileVerb(APPLY, io, rest);
export const runReplace = (io: Io, rest: readonly string[]): Promise<number> => runFileVerb(REPLACE, io, rest);

async function runFileVerb(
  {declaration, past, report, action}: FileVerb,
  io: Io,
  rest: readonly string[],
): Promise<number> {
  const args = parseArguments(declaration, rest);
  const filename = args.value('filename');
  if (filename === undefined) throw usageFailure(declaration.name);
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    const targets = await fileTargets(io, args, filename);
    if (targets === undefined) {
      io.out('No resources specified\n');
      return 0;
    }
    await tryAddInitialContent(session);
    const run = action(new ResourceWriter(session), args);
    report(io, await runAll(io, targets, {past, namespace: namespaceOf(args), run}));
    return 0;
  });
}
