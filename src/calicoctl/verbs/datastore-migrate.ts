/**
 * `calicoctl datastore migrate`: the lock that keeps everybody from changing the datastore while addresses or pools are
 * moved, and moving its contents to another datastore.
 */
import {CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {lock, unlock} from '../rules/datastore-lock.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';
import {MIGRATE} from '../usage.ts';

const FLAGS = [CONFIG_FLAG, VERSION_FLAG];
const LOCK: CommandDeclaration = {
  name: 'datastore migrate lock',
  help: 'Locks the datastore: agents wait, and pods are neither added nor removed until it is unlocked.',
  flags: FLAGS,
  takesOperands: false,
};
const UNLOCK: CommandDeclaration = {
  name: 'datastore migrate unlock',
  help: 'Ends the lock.',
  flags: FLAGS,
  takesOperands: false,
};

export async function runDatastoreMigrate(io: Io, [command = '', ...rest]: readonly string[]): Promise<number> {
  switch (command) {
    case 'lock':
      return change(io, LOCK, rest, lock, 'Datastore locked.\n');
    case 'unlock':
      return change(io, UNLOCK, rest, unlock, 'Datastore unlocked.\n');
    case 'export':
      return (await import('./datastore-export.ts')).runDatastoreExport(io, rest);
    case 'import':
      return (await import('./datastore-import.ts')).runDatastoreImport(io, rest);
    case '':
      throw new Failure(MIGRATE.usage.trimEnd());
    default:
      io.out(MIGRATE.help);
      return 0;
  }
}

async function change(
  io: Io,
  declaration: CommandDeclaration,
  rest: readonly string[],
  action: (session: Session) => Promise<void>,
  done: string,
): Promise<number> {
  const args = parseArguments(declaration, rest);
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    await action(session);
    io.out(done);
    return 0;
  });
}
