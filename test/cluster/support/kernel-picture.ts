/** What the kernel of a node has of the kinds that the agent writes, as lines that can be compared. */
import type {LabNode} from '../../lab/lab-node.ts';

/** What changes by itself: state of the link below a route, order, index of links, lifetimes. */
const NOISE = /\\? *\b(valid_lft|preferred_lft) \S+| (linkdown|pref medium)\b/g;

const SCRIPT = `
ip -4 route show table main | sed 's/^/route4 /'
ip -6 route show table main | sed 's/^/route6 /'
ip neigh show nud permanent | sed 's/^/neighbour /'
for device in vxlan.calico vxlan-v6.calico; do
  [ -e /proc/sys/net/ipv4/conf/$device ] || continue
  bridge fdb show dev $device | sed "s/^/fdb $device /"
  ip -o addr show dev $device | sed 's/^[0-9]*:/address/'
  ip -o -d link show dev $device | sed 's/^[0-9]*:/link/'
done
ip -o link show | sed -n 's/^[0-9]*: \\(cali[^:@]*\\)[^<]*\\(<[^>]*>\\).*/workload \\1 \\2/p'
`;

/** One line per object, sorted. IPv6 link-local addresses and routes are the kernel's own. */
export async function kernelPicture(node: LabNode): Promise<string[]> {
  const text = await node.must(['sh', '-c', SCRIPT]);
  return text
    .split('\n')
    .map((line) => line.replace(NOISE, '').trimEnd())
    .filter((line) => line !== '' && !/fe80::|33:33:|01:00:5e:/.test(line))
    .sort();
}

/** Lines of a picture that match, for a question about one object. */
export async function pictured(node: LabNode, pattern: RegExp): Promise<string[]> {
  return (await kernelPicture(node)).filter((line) => pattern.test(line));
}
