/**
 * The lock of the datastore: while `datastoreReady` of ClusterInformation is false, agents wait and the CNI plugin
 * refuses, so that addresses and pools can be moved.
 */
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Session} from '../session.ts';
import {addInitialContent} from './initial-content.ts';

const CLUSTER = {name: 'default'};

/** Throws a Failure unless the datastore is locked; `purpose` ends the sentence that says so. */
export async function requireLock({resources, call}: Session, purpose: string): Promise<void> {
  const cluster = await resources.get(ClusterInformation, CLUSTER, call);
  if (cluster === undefined)
    throw new Failure(
      `error while checking if datastore was locked: error retrieving ClusterInformation: ${notThere(ClusterInformation, CLUSTER)}`,
    );
  if (cluster.spec.datastoreReady === false) return;
  throw new Failure(
    `datastore is not locked. Run the \`calicoctl datastore migrate lock\` command in order ${purpose}`,
  );
}

/** Locks it. An empty datastore gets what every cluster has, so that there is something to lock. */
export async function lock(session: Session): Promise<void> {
  await addInitialContent(session, false);
  const {resources, call} = session;
  await resources.modify(
    ClusterInformation,
    CLUSTER,
    (current) =>
      current === undefined || current.spec.datastoreReady === false
        ? current
        : {...current, spec: {...current.spec, datastoreReady: false}},
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
