/**
 * What the watch has told of the few things an ADD asks the datastore for, so that the ordinary ADD - a new pod of a
 * known network - need not ask.
 *
 * Only "yes, certainly" is answered from here: the cluster is ready, the profile is there, the workload has no endpoint.
 * Everything else is asked of the datastore itself. An endpoint that we wrote is "perhaps" until the watch has told of
 * it. What somebody else wrote a moment ago may be missed, as it may with any read: the write that follows finds out.
 */
import type {Revision, SyncSink, SyncStatus, Update} from '../datastore/store.ts';
import {AgentError} from '../lib/errors.ts';
import {ClusterInformation} from '../model/kinds/cluster-information.ts';
import {Profile} from '../model/kinds/profile.ts';
import {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';

const CLUSTER_INFORMATION = ClusterInformation.key({name: 'default'});
const PROFILES = Profile.prefix();
const ENDPOINTS = WorkloadEndpoint.prefix();

export class NodeView implements SyncSink {
  readonly #nodePrefix: string;
  #status: SyncStatus = 'waiting';
  #isReady = false;
  readonly #profiles = new Set<string>();
  /** Keys of this node's endpoints. */
  readonly #endpoints = new Set<string>();
  /** Written or removed by us; the watch has not told of it yet. Undefined: removed. */
  readonly #untold = new Map<string, Revision | undefined>();

  constructor(options: {readonly nodeName: string}) {
    this.#nodePrefix = `${options.nodeName.replaceAll('-', '--')}-`;
  }

  onStatus(status: SyncStatus): void {
    this.#status = status;
  }

  onUpdates(updates: readonly Update[]): void {
    for (const update of updates) this.#hear(update);
  }

  /** True when the datastore is known to be ready, and to have the profile. */
  isReadyFor(network: string): boolean {
    return this.#status === 'in-sync' && this.#isReady && this.#profiles.has(Profile.key({name: network}));
  }

  /** True when there is certainly no endpoint whose key begins so. */
  hasNoEndpoint(keyPrefix: string): boolean {
    if (this.#status !== 'in-sync') return false;
    for (const keys of [this.#endpoints, this.#untold.keys()])
      for (const key of keys) if (key.startsWith(keyPrefix)) return false;
    return true;
  }

  /** We wrote the endpoint under `key`, or removed it. */
  note(key: string, revision: Revision | undefined): void {
    this.#untold.set(key, revision);
  }

  #hear({key, value, revision}: Update): void {
    if (key.startsWith(ENDPOINTS)) this.#hearEndpoint(key, value === undefined ? undefined : revision);
    else if (key.startsWith(PROFILES)) {
      if (value === undefined) this.#profiles.delete(key);
      else this.#profiles.add(key);
    } else if (key === CLUSTER_INFORMATION) this.#isReady = value !== undefined && saysReady(value, key);
  }

  #hearEndpoint(key: string, revision: Revision | undefined): void {
    const name = key.slice(key.indexOf('/', ENDPOINTS.length) + 1);
    if (!name.startsWith(this.#nodePrefix)) return;
    if (revision === undefined) this.#endpoints.delete(key);
    else this.#endpoints.add(key);
    if (this.#untold.has(key) && this.#untold.get(key) === revision) this.#untold.delete(key);
  }
}

function saysReady(value: string, key: string): boolean {
  try {
    return ClusterInformation.decode(value, key).spec.datastoreReady === true;
  } catch (error) {
    if (error instanceof AgentError) return false;
    throw error;
  }
}
