/**
 * Calico's switch for the whole cluster: while ClusterInformation says that the datastore is not ready (it is being
 * migrated), pods are neither added nor deleted.
 */
import type {Resources} from '../datastore/resources.ts';
import type {CallOptions} from '../datastore/store.ts';
import {AgentError, codeOf} from '../lib/errors.ts';
import {ClusterInformation} from '../model/kinds/cluster-information.ts';

/** Throws E_NOT_READY, or what the datastore answered. */
export async function requireDatastoreReady(resources: Resources, call: CallOptions): Promise<void> {
  let information: ClusterInformation | undefined;
  try {
    information = await resources.get(ClusterInformation, {name: 'default'}, call);
  } catch (error) {
    throw new AgentError(codeOf(error) ?? 'E_INTERNAL', 'error getting ClusterInformation', {}, error);
  }
  if (information === undefined)
    throw new AgentError(
      'E_NOT_FOUND',
      'error getting ClusterInformation: resource does not exist: ClusterInformation(default)',
    );
  if (information.spec.datastoreReady !== true)
    throw new AgentError(
      'E_NOT_READY',
      'Calico is currently not ready to process requests: ClusterInformation says that the datastore is not ready',
    );
}
