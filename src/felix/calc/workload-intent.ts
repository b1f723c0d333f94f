/**
 * A WorkloadEndpoint as the data plane gets it. What the interface is called becomes part of paths below /proc/sys and
 * of kernel requests, so names that mean something else there are refused, whoever wrote them.
 */
import {bitsOf, formatCidr, requireCidr} from '../../lib/cidr.ts';
import {WorkloadEndpoint} from '../../model/kinds/workload-endpoint.ts';
import {invalidResource, type Violation, violation} from '../../model/violation.ts';
import type {EndpointId, WorkloadEndpointIntent} from './intent.ts';
import {canonicalMac} from './mac.ts';

const INTERFACE_NAME = /^[A-Za-z0-9_.-]{1,15}$/;
/** Not interfaces: directories, and what stands for all of them; and the loopback interface. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['.', '..', 'all', 'default', 'lo']);

/** Throws E_INVALID_RESOURCE when the endpoint breaks a rule or is another node's. */
export function workloadIntent(id: EndpointId, nodeName: string, endpoint: WorkloadEndpoint): WorkloadEndpointIntent {
  const {spec, metadata} = endpoint;
  const violations: Violation[] = [...WorkloadEndpoint.check(endpoint)];
  const {interfaceName, node, mac} = spec;
  if (node !== nodeName) violations.push(violation('spec.node', node, `must be ${nodeName}, as in the name`));
  if (spec.ipNetworks === undefined || spec.ipNetworks.length === 0)
    violations.push(violation('spec.ipNetworks', undefined, 'must hold at least one address'));
  if (!INTERFACE_NAME.test(interfaceName ?? '') || RESERVED_NAMES.has(interfaceName ?? ''))
    violations.push(violation('spec.interfaceName', interfaceName, 'must be the name of a workload interface'));
  if (violations.length > 0)
    throw invalidResource(`WorkloadEndpoint "${metadata.namespace}/${metadata.name}"`, violations);
  const nets = (spec.ipNetworks ?? []).map((text) => requireCidr(text));
  const ofFamily = (bits: 32 | 128) => nets.filter(({ip}) => bitsOf(ip.family) === bits).map(formatCidr);
  return {
    id,
    interfaceName: interfaceName ?? '',
    mac: mac === undefined || mac === '' ? undefined : canonicalMac(mac),
    ipv4Nets: ofFamily(32),
    ipv6Nets: ofFamily(128),
    profileIds: [...(spec.profiles ?? [])],
  };
}
