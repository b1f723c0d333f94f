/** What the cluster says of itself: the part of `calicoctl version` that needs a datastore. */
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {errorText, notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {escapeForTerminal} from '../output/escape.ts';
import {withSession} from '../session.ts';

const ID = {name: 'default'};

export function showClusterVersion(io: Io, configFile: string | undefined): Promise<number> {
  return withSession(io, configFile, async ({resources, call}) => {
    const information = await resources.get(ClusterInformation, ID, call).catch((error: unknown) => {
      throw unknown(errorText(error, ClusterInformation, ID), error);
    });
    if (information === undefined) throw unknown(notThere(ClusterInformation, ID));
    const {calicoVersion, clusterType} = information.spec;
    io.out(`Cluster Version:   ${escapeForTerminal(calicoVersion || 'unknown')}\n`);
    io.out(`Cluster Type:      ${escapeForTerminal(clusterType || 'unknown')}\n`);
    return 0;
  });
}

const unknown = (reason: string, cause?: unknown): Failure =>
  new Failure(`unable to retrieve Cluster Version or Type: ${reason}`, {cause});
