/**
 * A pod as a workload endpoint. Every scheduled pod with a network of its own has exactly one; a finished pod has one
 * without addresses, so that nobody believes the address is still its.
 */
import {formatCidr, formatIp, parseCidr} from '../../lib/cidr.ts';
import {AgentError} from '../../lib/errors.ts';
import {parseJson} from '../../lib/exact-json.ts';
import type {WorkloadEndpoint, WorkloadEndpointSpec} from '../kinds/workload-endpoint.ts';
import {NAMESPACE_LABEL, ORCHESTRATOR_LABEL, SERVICE_ACCOUNT_LABEL} from '../labels.ts';
import {podInterfaceName, workloadEndpointName} from '../names.ts';
import {API_VERSION} from '../resource.ts';
import {invalidResource, type Violation, violation} from '../violation.ts';
import {copyOf} from './metadata.ts';
import {own, type Pod} from './objects.ts';
import {namespaceProfileName, serviceAccountProfileName} from './profiles.ts';
import {qosControls} from './qos-controls.ts';

export const POD_IP_ANNOTATION = 'cni.projectcalico.org/podIP';
export const POD_IPS_ANNOTATION = 'cni.projectcalico.org/podIPs';
export const CONTAINER_ID_ANNOTATION = 'cni.projectcalico.org/containerID';
const AWS_POD_IPS_ANNOTATION = 'vpc.amazonaws.com/pod-ips';
const FLOATING_IPS_ANNOTATION = 'cni.projectcalico.org/floatingIPs';
const SOURCE_PREFIXES_ANNOTATION = 'cni.projectcalico.org/allowedSourcePrefixes';
const NETWORK_STATUS_ANNOTATION = 'k8s.v1.cni.cncf.io/network-status';

const FINISHED_PHASES: readonly unknown[] = ['Failed', 'Succeeded', 'Completed'];
const ENDPOINT = 'eth0';
const ORCHESTRATOR = 'k8s';
/** Longer names are not label values; the field has them all the same. */
const LONGEST_ACCOUNT_LABEL = 62;

/** Whether the pod has an endpoint at all: it is on a node, and not in the node's own network. */
export const isWorkload = ({spec}: Pod): boolean => spec.hostNetwork !== true && (spec.nodeName ?? '') !== '';

/** Whether the pod has given its addresses back; a terminating pod keeps them until the plugin took them away. */
export function isFinished({metadata, status}: Pod): boolean {
  const wasReleased = [POD_IP_ANNOTATION, AWS_POD_IPS_ANNOTATION].some(
    (name) => own(metadata.annotations, name) === '',
  );
  return (metadata.deletionTimestamp !== undefined && wasReleased) || FINISHED_PHASES.includes(status?.phase);
}

export interface ConvertedPod {
  readonly endpoint: WorkloadEndpoint;
  /** What was left out or changed. */
  readonly warnings: readonly Violation[];
}

/** Undefined when the pod is not a workload. Throws E_INVALID_RESOURCE when its addresses or annotations are none. */
export function convertPod(pod: Pod, interfacePrefix?: string): ConvertedPod | undefined {
  if (!isWorkload(pod)) return undefined;
  const {metadata, spec} = pod;
  const {namespace = '', annotations} = metadata;
  const node = spec.nodeName ?? '';
  const name = workloadEndpointName({node, orchestrator: ORCHESTRATOR, pod: metadata.name, endpoint: ENDPOINT});
  if (name === undefined)
    throw invalid(pod, 'metadata.name', metadata.name, 'must not begin or end with a dash, nor must its node');
  const networks = isFinished(pod) ? [] : podNetworks(pod);
  const {controls, warnings} = qosControls(annotations);
  const account = spec.serviceAccountName ?? '';
  const networkStatus = own(annotations, NETWORK_STATUS_ANNOTATION);
  const containerID = own(annotations, CONTAINER_ID_ANNOTATION);
  const endpoint: WorkloadEndpoint = {
    kind: 'WorkloadEndpoint',
    apiVersion: API_VERSION,
    metadata: {
      name,
      namespace,
      generateName: metadata.generateName,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
      creationTimestamp: metadata.creationTimestamp,
      generation: 0,
      labels: copyOf({
        ...metadata.labels,
        [NAMESPACE_LABEL]: namespace,
        [ORCHESTRATOR_LABEL]: ORCHESTRATOR,
        ...(account === '' || account.length > LONGEST_ACCOUNT_LABEL ? {} : {[SERVICE_ACCOUNT_LABEL]: account}),
      }),
      annotations: copyOf(networkStatus === undefined ? {} : {[NETWORK_STATUS_ANNOTATION]: networkStatus}),
    },
    spec: {
      orchestrator: ORCHESTRATOR,
      node,
      containerID: containerID || undefined,
      pod: metadata.name,
      endpoint: ENDPOINT,
      serviceAccountName: account || undefined,
      ipNetworks: networks,
      ipNATs: floatingAddresses(pod, networks),
      profiles: [
        namespaceProfileName(namespace),
        ...(account === '' ? [] : [serviceAccountProfileName(namespace, account)]),
      ],
      interfaceName: podInterfaceName(namespace, metadata.name, interfacePrefix),
      ports: endpointPorts(pod),
      allowSpoofedSourcePrefixes: sourcePrefixes(pod),
      qosControls: controls,
    },
  };
  return {endpoint, warnings};
}

/** As networks of one address each, from the first source that has any. */
function podNetworks(pod: Pod): readonly string[] {
  const {metadata, status} = pod;
  const listed = (name: string): readonly string[] => own(metadata.annotations, name)?.split(',') ?? [];
  const sources: readonly (readonly string[])[] = [
    (status?.podIPs ?? []).map(({ip = ''}) => ip),
    [status?.podIP ?? ''],
    listed(POD_IPS_ANNOTATION),
    listed(POD_IP_ANNOTATION),
    listed(AWS_POD_IPS_ANNOTATION),
  ];
  const found = sources.find((addresses) => addresses.some((address) => address !== '')) ?? [];
  return found.map((text) => {
    const cidr = parseCidr(text);
    if (cidr === undefined) throw invalid(pod, 'status.podIPs', text, 'must be an IP address');
    return formatCidr(cidr);
  });
}

/** Only for families the pod has an address of. */
function floatingAddresses(pod: Pod, networks: readonly string[]): WorkloadEndpointSpec['ipNATs'] {
  if (networks.length === 0) return [];
  return jsonList(pod, FLOATING_IPS_ANNOTATION).flatMap((externalIP) => {
    const family = externalIP.includes(':') ? 6 : 4;
    const internal = networks.map(parseCidr).findLast((cidr) => cidr?.ip.family === family);
    return internal === undefined ? [] : [{internalIP: formatIp(internal.ip), externalIP}];
  });
}

function sourcePrefixes(pod: Pod): readonly string[] {
  return jsonList(pod, SOURCE_PREFIXES_ANNOTATION).map((text) => {
    const cidr = text.includes('/') ? parseCidr(text) : undefined;
    if (cidr === undefined)
      throw invalid(pod, `metadata.annotations[${SOURCE_PREFIXES_ANNOTATION}]`, text, 'must be a CIDR');
    return formatCidr(cidr);
  });
}

/** The strings of an annotation that is a JSON list; none when it is absent or empty. */
function jsonList(pod: Pod, annotation: string): readonly string[] {
  const text = own(pod.metadata.annotations, annotation) ?? '';
  if (text === '') return [];
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
  }
  if (!Array.isArray(value) || !value.every((element) => typeof element === 'string'))
    throw invalid(pod, `metadata.annotations[${annotation}]`, text, 'must be a JSON list of strings');
  return value;
}

const PORT_PROTOCOLS: readonly string[] = ['TCP', 'UDP', 'SCTP'];

/** Ports that a policy can name, or that the host forwards. */
function endpointPorts({spec}: Pod): WorkloadEndpointSpec['ports'] {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  return containers.flatMap(({ports = []}) =>
    ports.flatMap(({name = '', containerPort = 0, hostPort = 0, hostIP = '', protocol}) => {
      const usedProtocol = protocol || 'TCP';
      const counts = containerPort !== 0 && (name !== '' || hostPort !== 0) && PORT_PROTOCOLS.includes(usedProtocol);
      return counts ? [{name, protocol: usedProtocol, port: containerPort, hostPort, hostIP}] : [];
    }),
  );
}

function invalid({metadata}: Pod, path: string, value: string, rule: string): AgentError {
  return invalidResource(`Pod "${metadata.namespace ?? ''}/${metadata.name}"`, [violation(path, value, rule)]);
}

/** The annotations by which the plugin tells the pod's addresses and that they are gone; no addresses, no annotations. */
export function podAddressAnnotations(
  networks: readonly string[],
  containerId: string,
): Readonly<Record<string, string>> {
  const [first] = networks;
  if (first === undefined) return {};
  return {
    [POD_IP_ANNOTATION]: first,
    [POD_IPS_ANNOTATION]: networks.join(','),
    [CONTAINER_ID_ANNOTATION]: containerId,
  };
}

/** Empty, not absent: an absent annotation would say that there never was an address. */
export const RELEASED_ANNOTATIONS: Readonly<Record<string, string>> = {
  [POD_IP_ANNOTATION]: '',
  [POD_IPS_ANNOTATION]: '',
};
