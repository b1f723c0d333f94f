/** `calicoctl delete`: resources named on the command line or in a file, with all that belongs to them. */
import {hasCode} from '../../lib/errors.ts';
import {fileTargets, runAll, singleKind} from '../bulk.ts';
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
import {ResourceWriter} from '../resource-writer.ts';
import {checkClusterVersion, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'delete',
  help: 'Deletes resources and what belongs to them.',
  flags: [
    {short: 's', long: 'skip-not-exists', help: 'what is not there counts as deleted'},
    ...FILE_FLAGS,
    CONFIG_FLAG,
    NAMESPACE_FLAG,
    CONTEXT_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: true,
};

export async function runDelete(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  if (!namesEitherKindOrFile(args)) throw usageFailure('delete');
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    const targets = await targetsOf(io, args);
    if (targets === undefined) {
      io.out('No resources specified\n');
      return 0;
    }
    const writer = new ResourceWriter(session);
    const {done, errors} = await runAll(io, targets, {
      past: 'deleted',
      namespace: namespaceOf(args),
      run: async (target, id) => {
        try {
          await writer.delete(target, id);
        } catch (error) {
          if (!(args.has('skip-not-exists') && hasCode(error, 'E_NOT_FOUND'))) throw error;
        }
      },
    });
    const kind = singleKind(targets);
    const ofKind = kind === undefined ? '' : `'${kind}' `;
    if (done > 0) io.out(`Successfully deleted ${done} ${ofKind}resource(s)\n`);
    if (errors.length === 0) return 0;
    throw new Failure(errors.map((error) => `Failed to delete ${ofKind}resource: ${error}\n`).join(''));
  });
}

async function targetsOf(io: Io, args: Arguments): Promise<readonly Target[] | undefined> {
  const filename = args.value('filename');
  const [kind, ...names] = args.operands;
  if (filename !== undefined) return fileTargets(io, args, filename);
  if (kind === undefined) throw usageFailure('delete');
  return namedTargets(kind, names);
}
