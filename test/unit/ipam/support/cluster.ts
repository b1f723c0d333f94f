/** A small cluster in a store, for tests of allocation: pools, nodes, and a look at what IPAM left. */
import type {Entry, Store} from '../../../../src/datastore/store.ts';
import type {Owner} from '../../../../src/ipam/block.ts';
import {
  type Block,
  decodeBlock,
  decodeHandle,
  encodeIpamConfig,
  type IpamConfig,
} from '../../../../src/model/ipam-records.ts';
import {HANDLES_PREFIX, IPAM_CONFIG_KEY, parseKey, ROOT_PREFIX} from '../../../../src/model/keys.ts';
import {IPPool} from '../../../../src/model/kinds/ip-pool.ts';
import {IPReservation} from '../../../../src/model/kinds/ip-reservation.ts';
import {Node} from '../../../../src/model/kinds/node.ts';

export async function putPool(store: Store, name: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
  const pool = {kind: 'IPPool', apiVersion: 'projectcalico.org/v3', metadata: {name}, spec};
  await store.commit([{kind: 'put', key: IPPool.key({name}), value: JSON.stringify(pool)}]);
}

export async function putNode(
  store: Store,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  const node = {kind: 'Node', apiVersion: 'projectcalico.org/v3', metadata: {name, labels}, spec: {}};
  await store.commit([{kind: 'put', key: Node.key({name}), value: JSON.stringify(node)}]);
}

export async function putReservation(store: Store, name: string, reservedCIDRs: readonly string[]): Promise<void> {
  const value = {kind: 'IPReservation', apiVersion: 'projectcalico.org/v3', metadata: {name}, spec: {reservedCIDRs}};
  await store.commit([{kind: 'put', key: IPReservation.key({name}), value: JSON.stringify(value)}]);
}

export async function putConfig(store: Store, config: Partial<IpamConfig>): Promise<void> {
  const whole: IpamConfig = {
    strictAffinity: false,
    autoAllocateBlocks: true,
    maxBlocksPerHost: 0,
    kubeVirtVMAddressPersistence: 'Enabled',
    ipCooldownSeconds: 0,
    ...config,
  };
  await store.commit([{kind: 'put', key: IPAM_CONFIG_KEY, value: encodeIpamConfig(whole)}]);
}

export const podOwner = (node: string, containerId: string, network = 'net'): Owner => ({
  handleId: `${network}.${containerId}`,
  attributes: new Map([['node', node]]),
});

/** What IPAM has stored: blocks, claims and handles. */
export interface IpamState {
  readonly blocks: ReadonlyMap<string, Block>;
  /** `type:host cidr` -> state. */
  readonly claims: ReadonlyMap<string, string>;
  readonly handles: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

export function ipamState(entries: Iterable<Entry>): IpamState {
  const blocks = new Map<string, Block>();
  const claims = new Map<string, string>();
  const handles = new Map<string, ReadonlyMap<string, number>>();
  for (const {key, value} of entries) {
    const parsed = parseKey(key);
    if (parsed?.kind === 'block') blocks.set(parsed.cidr, decodeBlock(value));
    if (parsed?.kind === 'affinity')
      claims.set(`${parsed.type}:${parsed.host} ${parsed.cidr}`, (JSON.parse(value) as {state: string}).state);
    if (parsed?.kind === 'handle') handles.set(key.slice(HANDLES_PREFIX.length), decodeHandle(value).counts);
  }
  return {blocks, claims, handles};
}

export async function readIpamState(store: Store): Promise<IpamState> {
  return ipamState((await store.list(ROOT_PREFIX)).entries);
}
