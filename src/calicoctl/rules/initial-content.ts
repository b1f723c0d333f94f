/**
 * What every cluster has, and the first command that writes puts there: ClusterInformation and the built-in tiers. A
 * policy could not be stored without its tier.
 */
import {randomBytes} from 'node:crypto';
import {AgentError, hasCode} from '../../lib/errors.ts';
import type {ResourceId} from '../../model/kind.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {BUILT_IN_TIERS, Tier} from '../../model/kinds/tier.ts';
import type {Session} from '../session.ts';

const CLUSTER: ResourceId = {name: 'default'};

/** Adds what is missing. A cluster that does not say whether it is ready will be as given. */
export async function addInitialContent({resources, call}: Session, datastoreReady = true): Promise<void> {
  await resources.modify(ClusterInformation, CLUSTER, (current) => completed(current, datastoreReady), call);
  for (const [name, spec] of BUILT_IN_TIERS)
    try {
      if ((await resources.get(Tier, {name}, call)) === undefined)
        await resources.create(Tier, Tier.create({metadata: {name}, spec}), call);
    } catch (error) {
      if (!hasCode(error, 'E_EXISTS')) throw error;
    }
}

/** The same where it is no failure: a person may have the right to write some kinds only. */
export async function tryAddInitialContent(session: Session): Promise<void> {
  try {
    await addInitialContent(session);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
  }
}

/** A cluster has a number by which it is told apart, and is ready or not. */
function completed(current: ClusterInformation | undefined, ready: boolean): ClusterInformation {
  const cluster = current ?? ClusterInformation.create({metadata: CLUSTER, spec: {}});
  const {clusterGUID = '', datastoreReady} = cluster.spec;
  if (clusterGUID !== '' && datastoreReady !== undefined) return cluster;
  return {
    ...cluster,
    spec: {
      ...cluster.spec,
      clusterGUID: clusterGUID === '' ? randomBytes(16).toString('hex') : clusterGUID,
      datastoreReady: datastoreReady ?? ready,
    },
  };
}
