/**
 * `calicoctl datastore migrate`: the lock that keeps everybody from changing the datastore while addresses or pools are
 * moved. Moving the contents to Kubernetes is not part of this release.
 */
import {randomBytes} from 'node:crypto';
import {hasCode} from '../../lib/errors.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {BUILT_IN_TIERS, Tier} from '../../model/kinds/tier.ts';
import {CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';

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

const USAGE = 'Usage:\n  calicoctl datastore migrate <command> [<args>...]';

export async function runDatastoreMigrate(io: Io, [command = '', ...rest]: readonly string[]): Promise<number> {
  switch (command) {
    case 'lock':
      return change(io, LOCK, rest, lock, 'Datastore locked.\n');
    case 'unlock':
      return change(io, UNLOCK, rest, unlock, 'Datastore unlocked.\n');
    case 'export':
    case 'import':
      throw new Failure(`"calicoctl datastore migrate ${command}" is not part of this release`);
    default:
      throw new Failure(USAGE);
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

const CLUSTER = {name: 'default'};

/** An empty datastore gets what every cluster has, so that there is something to lock. */
async function lock({resources, call}: Session): Promise<void> {
  for (const [name, spec] of BUILT_IN_TIERS)
    try {
      if ((await resources.get(Tier, {name}, call)) === undefined)
        await resources.create(Tier, Tier.create({metadata: {name}, spec}), call);
    } catch (error) {
      if (!hasCode(error, 'E_EXISTS')) throw error;
    }
  await resources.modify(
    ClusterInformation,
    CLUSTER,
    (current) => {
      if (current?.spec.datastoreReady === false) return current;
      const base = current ?? ClusterInformation.create({metadata: CLUSTER, spec: {}});
      const clusterGUID = base.spec.clusterGUID ?? randomBytes(16).toString('hex');
      return {...base, spec: {...base.spec, clusterGUID, datastoreReady: false}};
    },
    call,
  );
}

async function unlock({resources, call}: Session): Promise<void> {
  const current = await resources.modify(
    ClusterInformation,
    CLUSTER,
    (cluster) =>
      cluster === undefined || cluster.spec.datastoreReady === true
        ? cluster
        : {...cluster, spec: {...cluster.spec, datastoreReady: true}},
    call,
  );
  if (current === undefined)
    throw new Failure(`error retrieving ClusterInformation for unlocking: ${notThere(ClusterInformation, CLUSTER)}`);
}
