/**
 * Node: a machine of the cluster as Calico sees it - its addresses on the underlay, its tunnel addresses, its keys.
 */
import {z} from 'zod';
import {asNumber, base64Key, interfaceAddress, ipAddress, ipv4Address, ipv6Address, macAddress} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {kept} from '../schema.ts';
import {violation} from '../violation.ts';

const bgp = () =>
  z.object({
    asNumber: asNumber().optional(),
    /** With the length of the node's subnet: `10.0.0.1/24`. */
    ipv4Address: interfaceAddress(4).optional(),
    ipv6Address: interfaceAddress(6).optional(),
    ipv4IPIPTunnelAddr: ipv4Address().optional(),
    routeReflectorClusterID: ipv4Address().optional(),
  });

const spec = () =>
  z.object({
    bgp: bgp().optional(),
    ipv4VXLANTunnelAddr: ipv4Address().optional(),
    vxlanTunnelMACAddr: macAddress().optional(),
    ipv6VXLANTunnelAddr: ipv6Address().optional(),
    vxlanTunnelMACAddrV6: macAddress().optional(),
    orchRefs: z
      .array(z.object({nodeName: z.string().optional(), orchestrator: kept(z.string().default(''))}))
      .optional(),
    wireguard: z
      .object({interfaceIPv4Address: ipv4Address().optional(), interfaceIPv6Address: ipv6Address().optional()})
      .optional(),
    /** With or without a length. Types are CalicoNodeIP, InternalIP and ExternalIP; Calico checks neither. */
    addresses: z.array(z.object({address: kept(z.string().default('')), type: z.string().optional()})).optional(),
    interfaces: z
      .array(z.object({name: z.string().default(''), addresses: z.array(ipAddress()).default([])}))
      .optional(),
  });

const status = () =>
  z.object({
    wireguardPublicKey: base64Key().optional(),
    wireguardPublicKeyV6: base64Key().optional(),
    podCIDRs: z.array(z.string()).optional(),
  });

export type NodeSpec = FieldsOf<typeof spec>;
export type NodeStatus = FieldsOf<typeof status>;
export type Node = ResourceOf<typeof spec, typeof status>;

export const Node = defineKind({
  kind: 'Node',
  plural: 'nodes',
  aliases: ['no', 'nos'],
  spec,
  status,
  statusAlways: true,
  rules: ({spec: {bgp: settings}}) => {
    const isEmpty = settings !== undefined && Object.values(settings).every((value) => value === undefined);
    return isEmpty ? [violation('spec.bgp', settings, 'must not be empty: leave it out instead')] : [];
  },
});
