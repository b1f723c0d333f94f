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
export const requireHost = (host: string): string => requireKeyPart(host, 'node name', 253);

/** The same for a handle. */
export const requireHandleId = (handleId: string): string => requireKeyPart(handleId, 'handle', 512);

function requireKeyPart(text: string, what: string, maxLength: number): string {
  if (text === '' || text.length > maxLength || /[/\s\p{Cc}]/u.test(text))
    throw new AgentError('E_INVALID_RESOURCE', `the ${what} cannot be part of a key`, {value: text.slice(0, 64)});
  return text;
}
