/**
 * Who a call is about, and the names that follow from it: the WorkloadEndpoint, the host's side of the veth, the handle
 * of the addresses. With the names of a pod it is Kubernetes' (orchestrator `k8s`, one endpoint per pod whatever the
 * sandbox), without it is the runtime's alone (`cni`, one per container).
 */

import type {Owner} from '../ipam/block.ts';
import {AgentError} from '../lib/errors.ts';
import {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import {
  containerInterfaceName,
  goTimestamp,
  podInterfaceName,
  type WorkloadEndpointIdentity,
  workloadEndpointName,
  workloadEndpointNamePrefix,
  workloadHandleId,
  workloadPart,
} from '../model/names.ts';
import type {JournalEntry} from './call-journal.ts';
import type {CniArgs} from './cni-args.ts';

export interface Workload {
  readonly node: string;
  readonly orchestrator: 'k8s' | 'cni';
  readonly namespace: string;
  readonly pod: string | undefined;
  readonly containerId: string;
  readonly network: string;
  /** Host's side of the veth. */
  readonly hostInterface: string;
  /** Handle of its addresses; undefined when there can be none of that name. */
  readonly handleId: string | undefined;
}

export interface WorkloadFacts {
  readonly node: string;
  readonly network: string;
  readonly containerId: string;
  readonly pod: CniArgs['pod'];
  /** The first prefix of Felix's InterfacePrefix. */
  readonly interfacePrefix: string;
}

/** Namespace of endpoints without Kubernetes. */
const DEFAULT_NAMESPACE = 'default';
const LONGEST_NAME = 253;

export function workloadOf({node, network, containerId, pod, interfacePrefix}: WorkloadFacts): Workload {
  const hasHandle = network.length <= LONGEST_NAME && containerId.length <= LONGEST_NAME;
  return {
    node,
    network,
    containerId,
    orchestrator: pod === undefined ? 'cni' : 'k8s',
    namespace: pod?.namespace ?? DEFAULT_NAMESPACE,
    pod: pod?.name,
    hostInterface:
      pod === undefined
        ? containerInterfaceName(containerId)
        : podInterfaceName(pod.namespace, pod.name, interfacePrefix),
    handleId: hasHandle ? workloadHandleId(network, containerId) : undefined,
  };
}

/** A container and a pod each have one call at a time. */
export const lockNames = ({
  orchestrator,
  namespace,
  pod,
  containerId,
}: Pick<Workload, 'namespace' | 'pod' | 'containerId'> & {readonly orchestrator: string}): string[] =>
  pod === undefined ? [containerId] : [containerId, `${orchestrator}/${namespace}/${pod}`];

/** What a call about the workload may leave behind. A workload without a handle never has addresses. */
export const journalEntryOf = (workload: Workload): JournalEntry => ({
  handleId: workload.handleId ?? '',
  hostInterface: workload.hostInterface,
  lockNames: lockNames(workload),
});

/** The lock of a call about this endpoint. */
export const lockNamesOf = ({metadata, spec}: WorkloadEndpoint): string[] =>
  lockNames({
    orchestrator: spec.orchestrator ?? '',
    namespace: metadata.namespace ?? '',
    pod: spec.pod,
    containerId: spec.containerID ?? '',
  });

/** Name of the endpoint for interface `endpoint`; undefined when there can be none. */
export function endpointNameOf(workload: Workload, endpoint: string): string | undefined {
  const name = workloadEndpointName({...identityOf(workload), endpoint});
  return name === undefined || name.length > LONGEST_NAME ? undefined : name;
}

/** Keys of all endpoints of the workload begin with this; others may too. Undefined when it can have none. */
export function endpointKeyPrefixOf(workload: Workload): string | undefined {
  const prefix = workloadEndpointNamePrefix(identityOf(workload));
  // With a part missing the prefix would be that of the whole node.
  if (workloadPart(identityOf(workload)) === undefined || endpointNameOf(workload, 'x') === undefined) return undefined;
  return `${WorkloadEndpoint.prefix(workload.namespace)}${prefix}`;
}

/** By which Felix knows an endpoint. */
export function endpointIdOf({spec, metadata}: WorkloadEndpoint): string {
  const {orchestrator, endpoint} = spec;
  return `${orchestrator}/${metadata.namespace ?? ''}/${workloadPart(spec) ?? ''}/${endpoint}`;
}

/** True for an endpoint of this very workload: key prefixes alone also fit `a-b` when one looks for `a`. */
export function isEndpointOf(workload: Workload, {spec, metadata}: WorkloadEndpoint): boolean {
  return (
    spec.node === workload.node &&
    spec.orchestrator === workload.orchestrator &&
    metadata.namespace === workload.namespace &&
    workloadPart(spec) === workloadPart(identityOf(workload))
  );
}

/** The owner of an allocation, with Calico's attributes. */
export function ownerOf(workload: Workload, wallMs: number): Owner {
  const {handleId, node, pod, namespace} = workload;
  if (handleId === undefined)
    throw new AgentError('E_INVALID_RESOURCE', 'network name and container id must not be longer than 253 characters');
  const attributes = new Map([['node', node]]);
  if (pod !== undefined) attributes.set('pod', pod).set('namespace', namespace);
  attributes.set('timestamp', goTimestamp(BigInt(Math.floor(wallMs * 1e6))));
  return {handleId, attributes};
}

/**
 * The endpoint as it is written, but for MAC and addresses. `previous` is what stands under that name: its labels and
 * ports stay. Throws E_INVALID_RESOURCE when no endpoint can be written for the workload.
 */
export function draftEndpoint(
  workload: Workload,
  endpoint: string,
  previous: WorkloadEndpoint | undefined,
): WorkloadEndpoint {
  const {containerId, hostInterface, namespace, network, node, orchestrator, pod} = workload;
  const name = endpointNameOf(workload, endpoint);
  if (name === undefined) throw noEndpointName(workload, endpoint);
  const facts = {
    node,
    orchestrator,
    ...(pod === undefined ? {} : {pod}),
    endpoint,
    containerID: containerId,
    profiles: [network],
    interfaceName: hostInterface,
  };
  if (previous !== undefined) return WorkloadEndpoint.complete({...previous, spec: {...previous.spec, ...facts}});
  return WorkloadEndpoint.create({metadata: {name, namespace}, spec: facts});
}

/** The draft with what was found out meanwhile. */
export const withAddresses = (
  draft: WorkloadEndpoint,
  facts: {readonly mac: string; readonly ipNetworks: readonly string[]},
): WorkloadEndpoint => ({...draft, spec: {...draft.spec, ...facts}});

function identityOf({node, orchestrator, pod, containerId}: Workload): WorkloadEndpointIdentity {
  return {node, orchestrator, containerID: containerId, ...(pod === undefined ? {} : {pod})};
}

function noEndpointName(workload: Workload, endpoint: string): AgentError {
  const part = workload.pod ?? workload.containerId;
  return new AgentError(
    'E_INVALID_RESOURCE',
    `no WorkloadEndpoint can be named after ${JSON.stringify(part.slice(0, 128))}: a part of its name must not begin or end with a dash, and the whole has 253 characters at most`,
    {endpoint},
  );
}
