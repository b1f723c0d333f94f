/**
 * The two ends of VXLAN: of every other node the VTEP (its own address, the address and MAC of its tunnel device), and
 * what our own tunnel device needs.
 *
 * A VTEP exists as soon as a node has both addresses of a family, whether or not a pool wants VXLAN: what to do with it
 * is the data plane's matter. Where two nodes claim one tunnel address (a copied Node, a botched restore) the lowest
 * name has it, so that neighbour and FDB entries never alternate between the two.
 */
import {type Family, formatIp} from '../../lib/cidr.ts';
import {vxlanMac} from '../../model/names.ts';
import {Claims} from './claims.ts';
import type {NodeFamilyInput, NodeInput} from './inputs.ts';
import type {LocalTunnelIntent, VtepIntent} from './intent.ts';

const FAMILIES: readonly Family[] = [4, 6];

export interface VxlanSink {
  emitVtep(key: string, vtep: VtepIntent | undefined): void;
  emitLocalTunnel(family: Family, tunnel: LocalTunnelIntent | undefined): void;
}

export class VxlanResolver {
  readonly #nodeName: string;
  readonly #sink: VxlanSink;
  /** Every other node's VTEPs, shadowed ones included, by `family/node`. */
  readonly #vteps = new Map<string, VtepIntent>();
  /** By tunnel address; the claimants are keys of `#vteps`. */
  readonly #tunnelIps = new Claims<string, string>();

  constructor(options: {nodeName: string}, dependencies: {sink: VxlanSink}) {
    this.#nodeName = options.nodeName;
    this.#sink = dependencies.sink;
  }

  setNode(name: string, node: NodeInput | undefined): void {
    for (const family of FAMILIES) {
      const facts = node?.families[family];
      if (name === this.#nodeName) this.#sink.emitLocalTunnel(family, facts && localTunnel(name, family, facts));
      else this.#setVtep(vtepKey(name, family), facts && vtepOf(name, family, facts));
    }
  }

  #setVtep(key: string, vtep: VtepIntent | undefined): void {
    const old = this.#vteps.get(key);
    if (vtep === undefined) this.#vteps.delete(key);
    else this.#vteps.set(key, vtep);
    if (old !== undefined) this.#tunnelIps.release(old.tunnelIp, key);
    if (vtep !== undefined) this.#tunnelIps.claim(vtep.tunnelIp, key);
    this.#sink.emitVtep(key, undefined);
    for (const tunnelIp of new Set([old?.tunnelIp, vtep?.tunnelIp])) {
      if (tunnelIp !== undefined) this.#emitClaimants(tunnelIp);
    }
  }

  #emitClaimants(tunnelIp: string): void {
    const [owner, ...shadowed] = this.#tunnelIps.claimantsOf(tunnelIp);
    for (const key of shadowed) this.#sink.emitVtep(key, undefined);
    if (owner !== undefined) this.#sink.emitVtep(owner, this.#vteps.get(owner));
  }
}

/** Key of a VtepIntent. */
export const vtepKey = (node: string, family: Family): string => `${family}/${node}`;

function vtepOf(node: string, family: Family, facts: NodeFamilyInput): VtepIntent | undefined {
  const tunnel = facts.tunnels.get('vxlan');
  if (facts.address === undefined || tunnel === undefined) return undefined;
  const mac = facts.vxlanMac ?? vxlanMac(node, family);
  return {node, family, mac, tunnelIp: formatIp(tunnel), nodeIp: formatIp(facts.address.ip)};
}

function localTunnel(node: string, family: Family, facts: NodeFamilyInput): LocalTunnelIntent | undefined {
  const tunnel = facts.tunnels.get('vxlan');
  if (facts.address === undefined && tunnel === undefined) return undefined;
  return {
    family,
    mac: facts.vxlanMac ?? vxlanMac(node, family),
    tunnelIp: tunnel && formatIp(tunnel),
    nodeIp: facts.address && formatIp(facts.address.ip),
  };
}
