/**
 * The lock of the datastore: while `datastoreReady` of ClusterInformation is false, agents wait and the CNI plugin
 * refuses, so that addresses and pools can be moved.
 */
import {randomBytes} from 'node:crypto';
import {hasCode} from '../../lib/errors.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {BUILT_IN_TIERS, Tier} from '../../model/kinds/tier.ts';
import {notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Session} from '../session.ts';

const CLUSTER = {name: 'default'};

/** Throws a Failure unless the datastore is locked; `purpose` ends the sentence that says so. */
export async function requireLock({resources, call}: Session, purpose: string): Promise<void> {
  const cluster = await resources.get(ClusterInformation, CLUSTER, call);
  if (cluster?.spec.datastoreReady === false) return;
  throw new Failure(
    `datastore is not locked. Run the \`calicoctl datastore migrate lock\` command in order ${purpose}`,
  );
}

/** Locks it. An empty datastore gets what every cluster has, so that there is something to lock. */
export async function lock({resources, call}: Session): Promise<void> {
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

/** Ends the lock. */
export async function unlock({resources, call}: Session): Promise<void> {
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
