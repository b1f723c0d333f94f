/**
 * Deleting a Node takes along what belongs to it: the addresses of its workloads and tunnels, its workload endpoints, its
 * blocks, and the configuration, peers and host endpoints of that node. The order is Calico's: whatever is left when it
 * stops half-way still names the node, so that it can be repeated.
 */
import {Allocator} from '../../ipam/allocator.ts';
import {BlockClaims} from '../../ipam/block-claims.ts';
import {hasCode} from '../../lib/errors.ts';
import {isJsonObject, type JsonValue, parseJson} from '../../lib/exact-json.ts';
import {hostMarkerKey, resourceKey, resourcePrefix} from '../../model/keys.ts';
import type {ResourceId} from '../../model/kind.ts';
import {Node} from '../../model/kinds/node.ts';
import {WorkloadEndpoint} from '../../model/kinds/workload-endpoint.ts';
import type {Session} from '../session.ts';
import {heldAddresses} from './held-addresses.ts';

export async function deleteNode(session: Session, id: ResourceId): Promise<void> {
  const {resources, store, call, io} = session;
  const node = await resources.get(Node, id, call);
  const {resources: allEndpoints} = await resources.list(WorkloadEndpoint, {}, call);
  const endpoints = allEndpoints.filter((endpoint) => endpoint.spec.node === id.name);
  const dependencies = {store, clock: io.clock, log: io.log};

  const addresses = [...endpoints.flatMap((endpoint) => endpoint.spec.ipNetworks), ...tunnelAddresses(node)];
  const held = await heldAddresses(session, addresses);
  if (held.length > 0) await new Allocator(dependencies).releaseIps(held, call);
  for (const {metadata} of endpoints)
    await ignoreMissing(
      resources.delete(WorkloadEndpoint, {name: metadata.name, namespace: metadata.namespace}, {}, call),
    );
  if (await hasClaims(session, id.name)) await new BlockClaims(dependencies).removeHost(id.name, call);
  await deleteWhere(session, 'bgppeers', (spec) => spec.node === id.name);
  for (const plural of ['felixconfigurations', 'bgpconfigurations'])
    await deleteKey(session, resourceKey(plural, `node.${id.name}`));
  await deleteWhere(session, 'hostendpoints', (spec) => spec.node === id.name);
  await resources.delete(Node, id, {}, call);
}

/** IPv6 and the tunnel of WireGuard for it are left to garbage collection, as in Calico. */
const tunnelAddresses = (node: Node | undefined): readonly string[] =>
  [
    node?.spec.bgp?.ipv4IPIPTunnelAddr,
    node?.spec.ipv4VXLANTunnelAddr,
    node?.spec.wireguard?.interfaceIPv4Address,
  ].filter((address) => address !== undefined);

/** Whether IPAM knows the node; giving up what it has not would only write IPAM's configuration. */
async function hasClaims({store, call}: Session, node: string): Promise<boolean> {
  const marker = hostMarkerKey(node);
  const {entries} = await store.list(marker, call);
  return entries.some(({key}) => key === marker || key.startsWith(`${marker}/`));
}

/** Deletes the resources of a kind whose spec says so, read as plain JSON: an object that breaks a rule goes as well. */
async function deleteWhere(
  session: Session,
  plural: string,
  belongs: (spec: {readonly [field: string]: JsonValue | undefined}) => boolean,
): Promise<void> {
  const {entries} = await session.store.list(resourcePrefix(plural), session.call);
  for (const {key, value} of entries) {
    const spec = specOf(value);
    if (spec !== undefined && belongs(spec)) await deleteKey(session, key);
  }
}

function specOf(text: string): {readonly [field: string]: JsonValue | undefined} | undefined {
  try {
    const value = parseJson(text);
    return isJsonObject(value) && isJsonObject(value.spec) ? value.spec : undefined;
  } catch (error) {
    // What nobody can read belongs to no node.
    if (hasCode(error, 'E_BAD_JSON')) return undefined;
    throw error;
  }
}

const deleteKey = ({store, call}: Session, key: string): Promise<void> =>
  ignoreMissing(store.commit([{kind: 'delete', key}], call).then(() => undefined));

async function ignoreMissing(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!hasCode(error, 'E_NOT_FOUND')) throw error;
  }
}
