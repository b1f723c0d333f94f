/** What pods leave behind in datastore and kernel, as text that two moments can be compared by. */
import {decodeBlock} from '../../../src/model/ipam-records.ts';
import {BLOCKS_PREFIX, HANDLES_PREFIX} from '../../../src/model/keys.ts';
import {WorkloadEndpoint} from '../../../src/model/kinds/workload-endpoint.ts';
import type {LabNode} from '../../lab/lab-node.ts';
import type {Cluster} from './cluster.ts';

/**
 * One line per endpoint, handle and allocated address of the cluster, and per interface, route and neighbour of a
 * workload on the nodes given. Sorted.
 */
export async function inventory(cluster: Cluster, nodes: readonly LabNode[]): Promise<string[]> {
  const lines: string[] = [];
  const {resources} = await cluster.resources.list(WorkloadEndpoint);
  for (const {metadata, spec} of resources) lines.push(`endpoint ${metadata.name} ${spec.ipNetworks?.join(' ')}`);
  for (const {key} of (await cluster.store.list(HANDLES_PREFIX)).entries)
    lines.push(`handle ${key.slice(HANDLES_PREFIX.length)}`);
  for (const {value} of (await cluster.store.list(BLOCKS_PREFIX)).entries) {
    const {allocations, attributes, cidr} = decodeBlock(value);
    for (const [ordinal, index] of allocations.entries())
      if (index !== null) lines.push(`address ${cidr} #${ordinal} ${attributes[index]?.handleId}`);
  }
  for (const node of nodes) lines.push(...(await workloadObjects(node)).map((line) => `${node.name} ${line}`));
  return lines.sort();
}

/** Everything in the kernel of the node that belongs to a workload, and the pod namespaces' own interfaces. */
async function workloadObjects(node: LabNode): Promise<string[]> {
  const text = await node.must([
    'sh',
    '-c',
    `ip -o link show type veth | sed -n 's/^[0-9]*: \\(cali[^:@]*\\).*/link \\1/p'
     ip -4 route show | sed -n '/dev cali/s/^/route /p'
     ip -6 route show | sed -n '/^fe80/d;/dev cali/s/^/route /p'
     ip neigh show nud permanent | sed -n '/dev cali/s/^/neighbour /p'
     for pod in $(ip netns list | cut -d' ' -f1); do ip -n $pod -o link show type veth | sed "s/^[0-9]*: \\([^:@]*\\).*/inside $pod \\1/"; done`,
  ]);
  return text.split('\n').filter((line) => line !== '');
}
