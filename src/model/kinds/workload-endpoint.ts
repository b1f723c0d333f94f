/**
 * WorkloadEndpoint: the network interface of one pod, container or virtual machine. Its name is computed from what it
 * identifies, and two of its labels are Calico's own.
 */
import {z} from 'zod';
import {cidrContainsIp, parseCidr, parseIp} from '../../lib/cidr.ts';
import {
  cidrOrIp,
  containerId,
  dscp,
  endpointPortName,
  integer,
  interfaceName,
  ipAddress,
  ipv4Address,
  ipv6Address,
  isMasked,
  macAddress,
  nameReference,
  singleAddressNetwork,
} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {NAMESPACE_LABEL, ORCHESTRATOR_LABEL} from '../labels.ts';
import {workloadEndpointName} from '../names.ts';
import {portProtocol} from '../protocol.ts';
import {kept, narrow} from '../schema.ts';
import {type Violation, violation} from '../violation.ts';

const port = () =>
  z.object({
    name: kept(endpointPortName().default('')),
    protocol: portProtocol(),
    port: narrow('uint16', integer(1, 65535)),
    /** 0: none. This and hostIP are always stored. */
    hostPort: kept(narrow('uint16', integer(0, 65535)).default(0)),
    hostIP: kept(z.string().default('')),
  });

/** An int64 of Go: a number, or beyond 2^53 a bigint. 0 means no limit and is not stored. */
const limit = () => z.union([z.int(), z.bigint()]).default(0);

const qosControls = () =>
  z.object({
    ingressBandwidth: limit(),
    ingressBurst: limit(),
    ingressPeakrate: limit(),
    ingressMinburst: limit(),
    egressBandwidth: limit(),
    egressBurst: limit(),
    egressPeakrate: limit(),
    egressMinburst: limit(),
    ingressPacketRate: limit(),
    ingressPacketBurst: limit(),
    egressPacketRate: limit(),
    egressPacketBurst: limit(),
    ingressMaxConnections: limit(),
    egressMaxConnections: limit(),
    dscp: dscp().optional(),
  });

const spec = () =>
  z.object({
    orchestrator: nameReference().default(''),
    workload: nameReference().optional(),
    node: nameReference().default(''),
    containerID: containerId().optional(),
    pod: nameReference().optional(),
    endpoint: nameReference().default(''),
    serviceAccountName: nameReference().optional(),
    ipNetworks: z.array(singleAddressNetwork()).default([]),
    ipNATs: z.array(z.object({internalIP: ipAddress(), externalIP: ipAddress()})).default([]),
    ipv4Gateway: ipv4Address().optional(),
    ipv6Gateway: ipv6Address().optional(),
    profiles: z.array(nameReference()).default([]),
    interfaceName: interfaceName().optional(),
    mac: macAddress().optional(),
    ports: z.array(port()).default([]),
    allowSpoofedSourcePrefixes: z.array(cidrOrIp()).default([]),
    qosControls: qosControls().optional(),
  });

export type WorkloadEndpointSpec = FieldsOf<typeof spec>;
export type WorkloadEndpoint = ResourceOf<typeof spec>;

export const WorkloadEndpoint = defineKind({
  kind: 'WorkloadEndpoint',
  plural: 'workloadendpoints',
  namespaced: true,
  aliases: ['wep', 'weps'],
  spec,
  beforeWrite: (endpoint) => withComputedName(withOwnLabels(endpoint)),
  rules: ({metadata, spec: endpoint}) => [
    ...nameViolations(metadata.name, endpoint),
    ...endpointViolations(endpoint),
    ...natViolations(endpoint),
  ],
});

function withOwnLabels(endpoint: WorkloadEndpoint): WorkloadEndpoint {
  const {
    metadata,
    spec: {orchestrator},
  } = endpoint;
  const own = {[NAMESPACE_LABEL]: metadata.namespace ?? '', [ORCHESTRATOR_LABEL]: orchestrator};
  // An object without a prototype, as labels always are.
  const labels: Record<string, string> = Object.assign(Object.create(null), metadata.labels, own);
  return {...endpoint, metadata: {...metadata, labels: Object.freeze(labels)}};
}

function withComputedName(endpoint: WorkloadEndpoint): WorkloadEndpoint {
  const name = endpoint.metadata.name || workloadEndpointName(endpoint.spec);
  return name === undefined ? endpoint : {...endpoint, metadata: {...endpoint.metadata, name}};
}

function nameViolations(name: string, endpoint: WorkloadEndpointSpec): Violation[] {
  const expected = workloadEndpointName(endpoint);
  if (expected === undefined)
    return [
      violation(
        'spec',
        undefined,
        'must have node, orchestrator, endpoint and the workload (pod, containerID); none may begin or end with -',
      ),
    ];
  return name === expected ? [] : [violation('metadata.name', name, `must be ${expected}, made of the fields of spec`)];
}

function endpointViolations(endpoint: WorkloadEndpointSpec): Violation[] {
  const violations: Violation[] = [];
  if (endpoint.interfaceName === undefined)
    violations.push(violation('spec.interfaceName', undefined, 'must be specified'));
  endpoint.ports.forEach((entry, i) => {
    if (entry.name === '' && entry.hostPort === 0)
      violations.push(violation(`spec.ports[${i}].name`, undefined, 'must be specified when there is no hostPort'));
    if (entry.hostIP !== '' && !isMasked(entry.hostIP))
      violations.push(
        violation(`spec.ports[${i}].hostIP`, entry.hostIP, 'must be an IP address or a strictly masked CIDR'),
      );
  });
  return violations;
}

function natViolations({ipNATs, ipNetworks}: WorkloadEndpointSpec): Violation[] {
  return ipNATs.flatMap(({internalIP, externalIP}, i) => {
    const [internal, external] = [parseIp(internalIP), parseIp(externalIP)];
    if (internal === undefined || external === undefined) return [];
    if (internal.family !== external.family)
      return [violation(`spec.ipNATs[${i}].externalIP`, externalIP, `must be of the family of ${internalIP}`)];
    const isOwn = ipNetworks.some((text) => {
      const cidr = parseCidr(text);
      return cidr !== undefined && cidrContainsIp(cidr, internal);
    });
    return isOwn ? [] : [violation(`spec.ipNATs[${i}].internalIP`, internalIP, 'must be one of spec.ipNetworks')];
  });
}
