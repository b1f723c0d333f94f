/** Who blocks belong to: a node, or the cluster's load balancer. */
import {AgentError} from '../lib/errors.ts';
import type {AffinityType} from '../model/keys.ts';

export interface BlockHolder {
  readonly type: AffinityType;
  readonly host: string;
}

export const nodeHolder = (host: string): BlockHolder => ({type: 'host', host});

/** Holder of the addresses of Services of type LoadBalancer. */
export const LOAD_BALANCER_HOLDER: BlockHolder = {type: 'virtual', host: 'load-balancer'};

/** The holder as a block names it: `host:node1`. */
export const affinityOf = (holder: BlockHolder): string => `${holder.type}:${holder.host}`;

/** The holder that a block names; undefined when it names none. */
export function holderOf(affinity: string | undefined): BlockHolder | undefined {
  const [type, ...rest] = affinity?.split(':') ?? [];
  const host = rest.join(':');
  return host !== '' && (type === 'host' || type === 'virtual') ? {type, host} : undefined;
}

/** A node name becomes part of keys: refuses one that would reach outside of its own. */
export function requireHost(host: string): string {
  if (host === '' || host.length > 253 || /[/\s\p{Cc}]/u.test(host))
    throw new AgentError('E_INVALID_RESOURCE', 'the node name cannot be part of a key', {node: host.slice(0, 64)});
  return host;
}
