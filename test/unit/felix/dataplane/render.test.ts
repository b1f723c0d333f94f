/** What each kind of intent becomes. Golden values are those of Calico v3.32.1's kernel state. */
import t from 'tap';
import type {LocalTunnelIntent, RouteIntent, WorkloadEndpointIntent} from '../../../../src/felix/calc/intent.ts';
import {endpointStatusFileName, endpointStatusText} from '../../../../src/felix/dataplane/endpoint-status-file.ts';
import type {RouteEntry} from '../../../../src/felix/dataplane/entries.ts';
import {computeMtus} from '../../../../src/felix/dataplane/mtu.ts';
import {type ClusterRouteContext, renderClusterRoute} from '../../../../src/felix/dataplane/render-cluster-route.ts';
import {renderHostSysctls} from '../../../../src/felix/dataplane/render-host.ts';
import {
  isTunnelWanted,
  renderTunnelAddress,
  renderTunnelLink,
  renderVtep,
} from '../../../../src/felix/dataplane/render-tunnel.ts';
import {renderWorkload} from '../../../../src/felix/dataplane/render-workload.ts';
import {type DataPlaneSettings, DEFAULT_SETTINGS} from '../../../../src/felix/dataplane/settings.ts';

/** As `ip route` would show it. */
function show(entry: RouteEntry | undefined): string {
  if (entry === undefined) return 'nothing';
  const {destination, gateway, isOnlink, link, metric, mtu, protocol, scope, source, type} = entry;
  return [
    type === 'blackhole' ? 'blackhole' : '',
    destination,
    gateway && `via ${gateway}`,
    link && `dev ${link}`,
    `proto ${protocol}`,
    `scope ${scope}`,
    source && `src ${source}`,
    metric !== 0 && `metric ${metric}`,
    isOnlink && 'onlink',
    mtu && `mtu ${mtu}`,
  ]
    .filter((part) => part)
    .join(' ');
}

const WORKLOAD: WorkloadEndpointIntent = {
  id: 'k8s/default/web/eth0',
  interfaceName: 'calia1',
  mac: 'de:fa:88:e9:20:55',
  ipv4Nets: ['10.244.166.129/32'],
  ipv6Nets: ['fd00:10:244::1/128'],
  profileIds: [],
};

await t.test('a workload', (t) => {
  const render = (endpoint: Partial<WorkloadEndpointIntent>, settings: Partial<DataPlaneSettings> = {}) =>
    renderWorkload({...WORKLOAD, ...endpoint}, {settings: {...DEFAULT_SETTINGS, ...settings}, defaultRpFilter: '0'});

  const dual = render({});
  t.same(
    dual.interfaceEntry.sysctls.map(({isOptional, path, value}) => `${path} = ${value}${isOptional ? ' if any' : ''}`),
    [
      'net/ipv6/conf/calia1/accept_ra = 0 if any',
      'net/ipv4/conf/calia1/rp_filter = 0',
      'net/ipv4/conf/calia1/route_localnet = 1',
      'net/ipv4/neigh/calia1/proxy_delay = 0 if any',
      'net/ipv4/conf/calia1/proxy_arp = 1',
      'net/ipv4/conf/calia1/forwarding = 1',
      'net/ipv6/conf/calia1/accept_dad = 0',
      'net/ipv6/conf/calia1/disable_ipv6 = 0',
      'net/ipv6/conf/calia1/proxy_ndp = 1',
      'net/ipv6/conf/calia1/forwarding = 1',
    ],
  );
  t.same(dual.routes.map(show), [
    '10.244.166.129/32 dev calia1 proto 3 scope link metric 1024',
    'fd00:10:244::1/128 dev calia1 proto 3 scope global metric 1024',
  ]);
  t.same(dual.neighbours, [{link: 'calia1', ip: '10.244.166.129', mac: 'de:fa:88:e9:20:55'}]);

  t.equal(render({ipv6Nets: []}).interfaceEntry.sysctls.length, 6, 'IPv4 only leaves IPv6 settings alone');
  t.same(render({}, {isIpv6Enabled: false}).routes.length, 1, 'IPv6 switched off');
  t.same(render({mac: undefined}).neighbours, [], 'no MAC, no neighbour');
  t.same(render({ipv4Nets: ['10.1.0.0/24']}).neighbours, [], 'a network has no neighbour');
  t.same(
    render({}, {deviceRouteProtocol: 80, deviceRouteSource: {4: '10.0.0.1'}, workloadMetric: {4: 5, 6: 6}}).routes.map(
      show,
    ),
    [
      '10.244.166.129/32 dev calia1 proto 80 scope link src 10.0.0.1 metric 5',
      'fd00:10:244::1/128 dev calia1 proto 80 scope global metric 6',
    ],
  );
  t.end();
});

await t.test('routes of the cluster', (t) => {
  const block: RouteIntent = {
    cidr: '10.244.104.0/26',
    family: 4,
    type: 'remote-workload',
    encapsulation: 'vxlan',
    node: 'node2',
    nodeIp: '10.95.1.12',
    sameSubnet: false,
  };
  const context: ClusterRouteContext = {
    settings: {...DEFAULT_SETTINGS, programsPlainRoutes: true},
    parent: 'eth0',
    isTunnelWanted: true,
    tunnelMtu: 1450,
    remoteTunnelIp: '10.244.104.0',
  };
  const render = (intent: Partial<RouteIntent>, other: Partial<ClusterRouteContext> = {}) =>
    show(renderClusterRoute({...block, ...intent}, {...context, ...other})?.entry);
  const tunnelled = '10.244.104.0/26 via 10.244.104.0 dev vxlan.calico proto 3 scope global onlink mtu 1450';
  const plain = '10.244.104.0/26 via 10.95.1.12 dev eth0 proto 80 scope global onlink';

  t.equal(render({}), tunnelled);
  t.equal(render({sameSubnet: true}), plain);
  t.equal(render({sameSubnet: true}, {parent: undefined}), tunnelled, 'no uplink known: through the tunnel');
  t.equal(render({}, {remoteTunnelIp: undefined}), 'nothing', 'the other end is not known yet');
  t.equal(render({}, {isTunnelWanted: false}), 'nothing');
  t.equal(render({encapsulation: 'none'}), plain);
  t.equal(render({encapsulation: 'none', nodeIp: undefined}), 'nothing');
  t.equal(render({encapsulation: 'none'}, {settings: DEFAULT_SETTINGS}), 'nothing', 'left to BIRD');
  t.equal(render({encapsulation: 'ipip'}), 'nothing');
  t.equal(render({type: 'local-block'}), 'blackhole 10.244.104.0/26 proto 80 scope global');
  t.equal(render({type: 'local-block', encapsulation: 'none'}), 'blackhole 10.244.104.0/26 proto 80 scope global');
  t.equal(
    render({type: 'remote-tunnel', cidr: '10.245.0.7/32'}),
    '10.245.0.7/32 dev vxlan.calico proto 3 scope link mtu 1450',
    'a tunnel address is directly behind the device',
  );
  t.equal(
    render({family: 6, cidr: 'fd00:1::/122', nodeIp: 'fd00::2'}, {remoteTunnelIp: 'fd00:1::', tunnelMtu: 1430}),
    'fd00:1::/122 via fd00:1:: dev vxlan-v6.calico proto 3 scope global metric 1024 onlink mtu 1430',
  );
  t.equal(
    render({sameSubnet: true}, {settings: {...DEFAULT_SETTINGS, deviceRouteProtocol: 61}}),
    plain.replace('proto 80', 'proto 61'),
    'an own protocol number is used for all',
  );
  t.end();
});

await t.test('the tunnel', (t) => {
  const tunnel: LocalTunnelIntent = {
    family: 6,
    mac: '66:0f:35:f2:60:df',
    tunnelIp: 'fd00:10:244::',
    nodeIp: 'fd00:95:1::11',
  };
  const context = {settings: DEFAULT_SETTINGS, parent: 'eth0', mtu: 1430};
  t.same(renderTunnelLink(tunnel, context), {
    name: 'vxlan-v6.calico',
    vni: 4096,
    port: 4789,
    mac: '66:0f:35:f2:60:df',
    parent: 'eth0',
    local: 'fd00:95:1::11',
    mtu: 1430,
    isUp: true,
  });
  t.equal(renderTunnelLink({...tunnel, nodeIp: undefined}, context), undefined);
  t.same(renderTunnelAddress(tunnel), {link: 'vxlan-v6.calico', address: 'fd00:10:244::/128'});
  t.equal(renderTunnelAddress({...tunnel, tunnelIp: undefined}), undefined);
  t.same(renderVtep({node: 'b', family: 4, mac: 'm', tunnelIp: '10.1.0.0', nodeIp: '10.0.0.2'}), {
    fdb: {link: 'vxlan.calico', mac: 'm', destination: '10.0.0.2'},
    neighbour: {link: 'vxlan.calico', ip: '10.1.0.0', mac: 'm'},
  });
  const wanted = (isVxlanEnabled: boolean | undefined, vxlan: boolean, isIpv6Enabled = true) =>
    ([4, 6] as const).map((family) => isTunnelWanted(family, {isVxlanEnabled, isIpv6Enabled}, {vxlan, vxlanV6: vxlan}));
  t.same(wanted(undefined, true), [true, true]);
  t.same(wanted(undefined, false), [false, false]);
  t.same(wanted(false, true), [false, false], 'switched off');
  t.same(wanted(true, false), [true, false], 'switched on, which means IPv4');
  t.same(wanted(undefined, true, false), [true, false]);
  t.end();
});

await t.test('how large a packet may be', (t) => {
  const none = {vxlan: 0, vxlanV6: 0, ipip: 0};
  const all = {ipip: true, vxlan: true, vxlanV6: true};
  t.same(computeMtus(1500, none, undefined), {vxlan: 1450, vxlanV6: 1430, pod: 1500});
  t.same(computeMtus(1500, none, {...all, vxlanV6: false}), {vxlan: 1450, vxlanV6: 1430, pod: 1450});
  t.same(computeMtus(1500, none, all), {vxlan: 1450, vxlanV6: 1430, pod: 1430});
  t.same(computeMtus(1500, none, {ipip: true, vxlan: false, vxlanV6: false}).pod, 1480);
  t.same(computeMtus(9000, {vxlan: 1400, vxlanV6: 0, ipip: 0}, all), {vxlan: 1400, vxlanV6: 8930, pod: 1400});
  t.equal(computeMtus(undefined, none, undefined).pod, 1460, 'no link of the host matches');
  t.end();
});

await t.test('the host', (t) => {
  const paths = (isForwardingWanted: boolean, isIpv6Enabled: boolean) =>
    renderHostSysctls({isForwardingWanted, isIpv6Enabled}).map(({path}) => path);
  t.same(paths(true, true), ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding', 'net/netfilter/nf_conntrack_acct']);
  t.same(paths(true, false), ['net/ipv4/ip_forward', 'net/netfilter/nf_conntrack_acct']);
  t.same(paths(false, true), ['net/netfilter/nf_conntrack_acct']);
  t.end();
});

await t.test('the file that says an endpoint is up', (t) => {
  t.equal(endpointStatusFileName({id: 'k8s/default/mypod/eth0'}), 'k8s default%2Fmypod eth0');
  t.equal(endpointStatusFileName({id: 'cni/default/a b.%/../eth0'}), 'cni default%2Fa%20b.%25%2F.. eth0');
  t.equal(
    endpointStatusText(WORKLOAD),
    '{"ifaceName":"calia1","mac":"de:fa:88:e9:20:55","ipv4Nets":["10.244.166.129/32"],"ipv6Nets":["fd00:10:244::1/128"]}',
  );
  t.equal(endpointStatusText({...WORKLOAD, mac: undefined, ipv6Nets: [], ipv4Nets: []}), '{"ifaceName":"calia1"}');
  t.end();
});
