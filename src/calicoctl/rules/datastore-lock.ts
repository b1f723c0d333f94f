/**
 * The lock of the datastore: while `datastoreReady` of ClusterInformation is false, agents wait and the CNI plugin
 * refuses, so that addresses and pools can be moved.
 */
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {Failure} from '../failure.ts';
import type {Session} from '../session.ts';

/** Throws a Failure unless the datastore is locked; `purpose` ends the sentence that says so. */
export async function requireLock({resources, call}: Session, purpose: string): Promise<void> {
  const cluster = await resources.get(ClusterInformation, {name: 'default'}, call);
  if (cluster?.spec.datastoreReady === false) return;
  throw new Failure(
    `datastore is not locked. Run the \`calicoctl datastore migrate lock\` command in order ${purpose}`,
  );
}
