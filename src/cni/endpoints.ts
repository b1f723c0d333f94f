/**
 * WorkloadEndpoints of this node as the CNI side reads, writes and removes them: through to the datastore, and to Felix
 * at the same moment, so that the host's side need not wait for the watch.
 */
import {commitFailureOf} from '../datastore/precondition.ts';
import type {Resources} from '../datastore/resources.ts';
import type {CallOptions, Store} from '../datastore/store.ts';
import type {Clock} from '../lib/clock.ts';
import {AgentError} from '../lib/errors.ts';
import {retry} from '../lib/retry.ts';
import {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import {workloadEndpointNamePrefix} from '../model/names.ts';
import type {FelixPort} from './felix-port.ts';
import type {NodeView} from './node-view.ts';
import {endpointKeyPrefixOf, isEndpointOf, type Workload} from './workload.ts';

export interface EndpointsDependencies {
  readonly store: Pick<Store, 'list'>;
  readonly resources: Resources;
  readonly felix: FelixPort;
  readonly view: NodeView;
  readonly clock: Clock;
}

/** Somebody else changed the object: read again and repeat, as Calico does. */
const CONFLICTS = {
  firstDelayMs: 2,
  maxDelayMs: 100,
  maxAttempts: 6,
  isRetryable: (error: unknown) => commitFailureOf(error) !== undefined,
};

export class Endpoints {
  readonly #dependencies: EndpointsDependencies;

  constructor(dependencies: EndpointsDependencies) {
    this.#dependencies = dependencies;
  }

  /** All endpoints of the workload, whatever their interface. */
  async of(workload: Workload, call: CallOptions): Promise<readonly WorkloadEndpoint[]> {
    const prefix = endpointKeyPrefixOf(workload);
    if (prefix === undefined) return [];
    return (await this.#list(prefix, call)).filter((endpoint) => isEndpointOf(workload, endpoint));
  }

  /** All endpoints of a node that a CNI call made. Their names say whose they are: those of the cluster are not decoded. */
  async ofNode(node: string, call: CallOptions): Promise<readonly WorkloadEndpoint[]> {
    const namePrefix = workloadEndpointNamePrefix({node});
    const endpoints = await this.#list(WorkloadEndpoint.prefix(), call, (name) => name.startsWith(namePrefix));
    return endpoints.filter(
      ({spec}) => spec.node === node && (spec.orchestrator === 'k8s' || spec.orchestrator === 'cni'),
    );
  }

  async #list(
    prefix: string,
    call: CallOptions,
    isWanted: (name: string) => boolean = () => true,
  ): Promise<WorkloadEndpoint[]> {
    const {entries} = await this.#dependencies.store.list(prefix, call);
    return entries.flatMap(({key, value, revision}) => {
      if (!isWanted(key.slice(key.lastIndexOf('/') + 1))) return [];
      const endpoint = readable(value, key);
      return endpoint === undefined ? [] : [{...endpoint, metadata: {...endpoint.metadata, resourceVersion: revision}}];
    });
  }

  /**
   * Writes the endpoint in the place of `previous` (nothing when undefined). Felix has it when this returns its promise,
   * which resolves to what is stored.
   */
  async write(
    endpoint: WorkloadEndpoint,
    previous: WorkloadEndpoint | undefined,
    call: CallOptions,
  ): Promise<WorkloadEndpoint> {
    const {felix, resources, clock, view} = this.#dependencies;
    const id = idOf(endpoint);
    const key = WorkloadEndpoint.key(id);
    const local = felix.localEndpoints.put(key, endpoint);
    let replaced = previous?.metadata.resourceVersion;
    const attempt = async (count: number): Promise<WorkloadEndpoint> => {
      if (count > 1) replaced = (await resources.get(WorkloadEndpoint, id, call))?.metadata.resourceVersion;
      const {resourceVersion: _, ...metadata} = endpoint.metadata;
      return replaced === undefined
        ? resources.create(WorkloadEndpoint, {...endpoint, metadata}, call)
        : resources.update(WorkloadEndpoint, {...endpoint, metadata: {...metadata, resourceVersion: replaced}}, call);
    };
    try {
      const stored = await retry(attempt, CONFLICTS, {clock, signal: call.signal});
      view.note(key, stored.metadata.resourceVersion);
      local.succeeded({revision: stored.metadata.resourceVersion, replaced});
      return stored;
    } catch (error) {
      local.failed();
      throw error;
    }
  }

  /**
   * Removes the endpoint if it is still that of `containerId`: the new sandbox of a pod must not lose its network by the
   * DEL of the old one. `known` is what was read of it. False when it is another's.
   */
  async remove(known: WorkloadEndpoint, containerId: string, call: CallOptions): Promise<boolean> {
    const {resources, clock} = this.#dependencies;
    const id = idOf(known);
    const attempt = async (count: number): Promise<boolean> => {
      const current = count === 1 ? known : await resources.get(WorkloadEndpoint, id, call);
      if (current === undefined) return true;
      if (!isOf(current, containerId)) return false;
      return this.#delete(current, call);
    };
    return retry(attempt, CONFLICTS, {clock, signal: call.signal});
  }

  async #delete(current: WorkloadEndpoint, call: CallOptions): Promise<boolean> {
    const {felix, resources, view} = this.#dependencies;
    const id = idOf(current);
    const key = WorkloadEndpoint.key(id);
    const {resourceVersion} = current.metadata;
    const local = felix.localEndpoints.remove(key);
    try {
      await resources.delete(WorkloadEndpoint, id, {resourceVersion}, call);
      view.note(key, undefined);
      local.succeeded({revision: undefined, replaced: resourceVersion});
      return true;
    } catch (error) {
      local.failed();
      if (commitFailureOf(error)?.current === undefined && commitFailureOf(error) !== undefined) return true;
      throw error;
    }
  }
}

/** An endpoint without a container id was not written by us; it belongs to whoever names it. */
export const isOf = ({spec}: WorkloadEndpoint, containerId: string): boolean =>
  spec.containerID === undefined || spec.containerID === '' || spec.containerID === containerId;

const idOf = ({metadata: {name, namespace}}: WorkloadEndpoint) => ({name, namespace});

/** Undefined for what cannot be read: it tells nothing about anybody's pod, and a write to its name will say what is wrong. */
function readable(value: string, key: string): WorkloadEndpoint | undefined {
  try {
    return WorkloadEndpoint.decode(value, key);
  } catch (error) {
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}
