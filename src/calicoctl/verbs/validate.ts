/**
 * `calicoctl validate`: whether the resources of a file keep the rules of their kinds, without a datastore. What they have
 * to do with other objects (pools that overlap, a tier that is missing) only shows when they are written.
 */
import {fileTargets, reportWrites, runAll} from '../bulk.ts';
import {type CommandDeclaration, FILE_FLAGS, parseArguments, usageFailure, VERSION_FLAG} from '../command-line.ts';
import type {Io} from '../io.ts';
import {resourceOf} from '../resource-writer.ts';

const DECLARATION: CommandDeclaration = {
  name: 'validate',
  help: 'Says which resources of a file break a rule of their kind. Needs no datastore.',
  flags: [...FILE_FLAGS, VERSION_FLAG],
  takesOperands: false,
};

export async function runValidate(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const filename = args.value('filename');
  if (filename === undefined) throw usageFailure('validate');
  const targets = await fileTargets(io, args, filename);
  if (targets === undefined) {
    io.out('No resources specified\n');
    return 0;
  }
  const result = await runAll(io, targets, {
    past: 'validated',
    namespace: undefined,
    run: async (target, id) => void resourceOf(target, id),
  });
  reportWrites(io, {present: 'validate', past: 'validated', hit: 'hit error(s)'}, result);
  return 0;
}
