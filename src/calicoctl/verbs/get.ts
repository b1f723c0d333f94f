/** `calicoctl get`: lists of a kind, or single resources, in the form that was asked for. */
import {fileTargets, NothingSpecified} from '../bulk.ts';
import {
  type Arguments,
  CONFIG_FLAG,
  CONTEXT_FLAG,
  type CommandDeclaration,
  FILE_FLAGS,
  NAMESPACE_FLAG,
  namesEitherKindOrFile,
  namespaceOf,
  parseArguments,
  usageFailure,
  VERSION_FLAG,
} from '../command-line.ts';
import {Failure} from '../failure.ts';
import {namedTargets, type Target} from '../input/targets.ts';
import type {Io} from '../io.ts';
import {parseOutputForm} from '../output/forms.ts';
import {fetchAll, type Scope} from '../resource-reader.ts';
import {checkClusterVersion, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'get',
  help: 'Shows resources: all of a kind, those named, or those that a file names.',
  flags: [
    ...FILE_FLAGS,
    {
      short: 'o',
      long: 'output',
      value: 'OUTPUT FORMAT',
      help: 'ps (default), wide, yaml, json, custom-columns=A,B, go-template=T, go-template-file=F',
    },
    CONFIG_FLAG,
    NAMESPACE_FLAG,
    {short: 'A', long: 'all-namespaces', help: 'of all namespaces'},
    {long: 'export', help: 'without what only this cluster knows of the resource; for resources given by name'},
    CONTEXT_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: true,
};

export async function runGet(io: Io, rest: readonly string[]): Promise<number> {
  // Releases before 3.0 had `-a` for all namespaces; scripts still do.
  const args = parseArguments(
    DECLARATION,
    rest.map((arg) => (arg === '-a' ? '-A' : arg)),
  );
  if (!namesEitherKindOrFile(args)) throw usageFailure('get');
  const scope: Scope = {
    namespace: namespaceOf(args),
    allNamespaces: args.has('all-namespaces'),
    // Only what was named on the command line is changed for the export.
    forExport: args.has('export') && args.value('filename') === undefined,
  };
  const form = parseOutputForm(io, args.value('output') ?? 'ps');
  return withSession(io, args.value('config'), async (session) => {
    await failingToGet(() => checkClusterVersion(session, args.has(VERSION_FLAG.long)));
    const {results, errors} = await fetchAll(session, await targetsOf(io, args), scope);
    const withNamespace = scope.namespace !== undefined || scope.allNamespaces;
    io.out(await form.print(results, {session, withNamespace}));
    for (const error of errors) io.err(`${error}\n`);
    return errors.length === 0 ? 0 : 1;
  });
}

async function targetsOf(io: Io, args: Arguments): Promise<readonly Target[]> {
  const filename = args.value('filename');
  const [kind = '', ...names] = args.operands;
  if (filename === undefined) return failingToGet(async () => namedTargets(kind, names));
  try {
    return (await fileTargets(io, args, filename)) ?? [];
  } catch (cause) {
    // What cannot be read says so in words of its own.
    if (cause instanceof NothingSpecified) return failingToGet(() => Promise.reject(cause));
    throw cause;
  }
}

async function failingToGet<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure(`failed to get resources: ${cause.message}`, {cause});
  }
}
