/**
 * For the same resources our kernel looks like the one real Calico v3.32.1 left: links, addresses, routes, permanent
 * neighbours, forwarding entries and settings, compared line by line. What differs is listed here with its reason (and
 * in docs/operations/differences-kernel.md), and each entry of the list must still be needed.
 */
import t, {type Test} from 'tap';
import {feed, startFelix} from '../../helpers/felix-instance.ts';
import {capturedDatastore, capturedNode, capturedWorkloads, type Printed} from './support/captured.ts';
import {makeNamespace, type TestNamespace} from './support/namespace.ts';

/** Objects that only one side has, and why. Matched as a part of the printed line. */
const DIFFERENCES: readonly {readonly scenario: string; readonly side: 'ours' | 'theirs'; readonly line: RegExp}[] = [
  // Our IPv6 tunnel address is usable at once (no duplicate search) and brings no route to itself, which Calico adds
  // and then removes.
  {scenario: 'd-dual', side: 'ours', line: /^address .*vxlan-v6\.calico.*"nodad":true,"noprefixroute":true/},
  {scenario: 'd-dual', side: 'theirs', line: /^address .*vxlan-v6\.calico.*"local":"fd00:10:244/},
];

const SCENARIOS: readonly {scenario: string; node: string; parameters?: Record<string, string>}[] = [
  {scenario: 'a-vxlan', node: 'node1', parameters: {Ipv6Support: 'false'}},
  {scenario: 'a-vxlan', node: 'node2', parameters: {Ipv6Support: 'false'}},
  {scenario: 'b-crosssubnet', node: 'node1', parameters: {Ipv6Support: 'false'}},
  {scenario: 'b-crosssubnet', node: 'node3', parameters: {Ipv6Support: 'false'}},
  {scenario: 'c-noencap', node: 'node1', parameters: {Ipv6Support: 'false', ProgramClusterRoutes: 'Enabled'}},
  {scenario: 'd-dual', node: 'node1'},
  {scenario: 'd-dual', node: 'node2'},
];

const used = new Set<number>();

for (const {node, parameters, scenario} of SCENARIOS)
  await t.test(`${scenario} ${node}`, async (t) => {
    const theirs = capturedNode(scenario, node);
    const host = makeNamespace(t, 'host');
    makeUplink(host, theirs.links, theirs.addresses, theirs.routes);
    const pods = makeNamespace(t, 'pods');
    for (const {if: name, mac, pod} of capturedWorkloads(scenario, node)) makeVeth(host, pods, name, pod, mac);

    const {felix} = startFelix(t, {nodeName: node, netnsFd: host.fd, ...(parameters && {parameters})});
    feed(felix, capturedDatastore(scenario));
    for (const {pod} of capturedWorkloads(scenario, node))
      await felix.waitForEndpoint(`cni/default/${pod}/eth0`, AbortSignal.timeout(30_000));
    await settled(host);

    const ours = stateOf(host);
    compare(t, scenario, ours, [
      ...lines('link', theirs.links.map(link)),
      ...lines('address', theirs.addresses.flatMap(addresses)),
      ...lines('route', theirs.routes),
      ...lines('neighbour', theirs.neighbours),
      ...lines('fdb', theirs.fdb),
    ]);
    for (const setting of [...theirs.sysctls, ...theirs.hostSysctls]) {
      const [path = '', value = ''] = setting.split(' = ');
      // Of the whole machine, or of what other programs load; conntrack may not be there.
      if (path.startsWith('net/netfilter/')) continue;
      t.equal(host.sysctl(path), value, path);
    }
  });

t.same(
  DIFFERENCES.filter((_, i) => !used.has(i)),
  [],
  'every listed difference is still one',
);

/** The uplink as the capture has it: addresses and default route. */
function makeUplink(
  host: TestNamespace,
  links: readonly Printed[],
  printed: readonly Printed[],
  routes: readonly Printed[],
): void {
  const mac = links.find(({ifname}) => ifname === 'eth0')?.address;
  const wire = makeNamespace(t, 'wire');
  host.ip(`link add eth0 address ${mac} type veth peer name p0 netns ${wire.name}`);
  wire.ip('link set p0 up');
  // rp_filter as captured; and no search for duplicates, which would only cost the test a second.
  for (const path of ['ipv4/conf/all/rp_filter', 'ipv4/conf/default/rp_filter', 'ipv6/conf/default/accept_dad'])
    host.setSysctl(`net/${path}`, '0');
  host.ip('link set eth0 up');
  for (const {family, ifname, local, prefixlen, scope} of printed.flatMap(addresses))
    if (ifname === 'eth0' && scope === 'global')
      host.ip(`addr add ${local}/${prefixlen} dev eth0${family === 'inet6' ? ' nodad' : ''}`);
  for (const {dev, dst, gateway} of routes)
    if (dst === 'default' && dev === 'eth0') host.ip(`route add default via ${gateway}`);
}

/** A pod's veth as the CNI server makes it: host side with its fixed MAC, down; pod side up. */
function makeVeth(host: TestNamespace, pods: TestNamespace, name: string, pod: string, mac: string): void {
  host.ip(
    `link add ${name} address ee:ee:ee:ee:ee:ee mtu 1400 numtxqueues 1 numrxqueues 1 txqueuelen 0 ` +
      `type veth peer name p-${pod} netns ${pods.name}`,
  );
  pods.ip(`link set p-${pod} address ${mac} up`);
}

/** Link-local addresses are made by the kernel a moment after their link came up, and are searched for duplicates. */
async function settled(host: TestNamespace): Promise<void> {
  while (host.ip('-6 addr show tentative') !== '') await new Promise((resolve) => setTimeout(resolve, 20));
}

function stateOf(host: TestNamespace): string[] {
  return [
    ...lines('link', host.ipJson('-d link').map(link)),
    ...lines('address', host.ipJson('addr').flatMap(addresses)),
    ...lines('route', [...host.ipJson('route show table all')]),
    ...lines(
      'neighbour',
      host.ipJson('neigh show nud permanent').filter(({state}) => !String(state).includes('NOARP')),
    ),
    ...lines('fdb', JSON.parse(host.exec('bridge', '-j', 'fdb', 'show'))),
  ];
}

/** Of a link: what we or the runtime decide, not which number it got. */
function link(printed: Printed): Printed {
  const numbers = ['ifindex', 'link_index', 'link_netnsid'];
  return Object.fromEntries(Object.entries(printed).filter(([field]) => !numbers.includes(field)));
}

function addresses({ifname, addr_info}: Printed): Printed[] {
  return (addr_info ?? []).map((address) => ({...address, ...(ifname === undefined ? {} : {ifname})}));
}

function lines(kind: string, objects: readonly Printed[]): string[] {
  return objects.map((object) => `${kind} ${JSON.stringify(object, Object.keys(flatten(object)).sort())}`);
}

/** Every key that occurs anywhere inside: JSON.stringify takes them as a list. */
function flatten(object: unknown, into: Record<string, true> = {}): Record<string, true> {
  if (typeof object === 'object' && object !== null)
    for (const [key, value] of Object.entries(object)) {
      if (!Array.isArray(object)) into[key] = true;
      flatten(value, into);
    }
  return into;
}

function compare(t: Test, scenario: string, ours: readonly string[], theirs: readonly string[]): void {
  const missing = theirs.filter((line) => !ours.includes(line));
  const extra = ours.filter((line) => !theirs.includes(line));
  const isListed = (side: 'ours' | 'theirs') => (line: string) => {
    const index = DIFFERENCES.findIndex(
      (difference) => difference.scenario === scenario && difference.side === side && difference.line.test(line),
    );
    if (index >= 0) used.add(index);
    return index < 0;
  };
  t.same(missing.filter(isListed('theirs')), [], 'what Calico had and we have not');
  t.same(extra.filter(isListed('ours')), [], 'what we have and Calico had not');
}
