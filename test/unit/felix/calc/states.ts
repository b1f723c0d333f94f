/**
 * Named contents of a whole datastore, seen from node1, with what calculation must make of them. Since output depends on
 * the content and not on the way there, every pair of states is a test: see random-walk.test.ts.
 */
import {block, type Datastore, datastore, node, pool, ready, resource, workload} from './cluster.ts';

export interface State {
  readonly name: string;
  readonly content: Datastore;
  /** Sorted; without the config layers that are empty. */
  readonly expected: readonly string[];
}

const node1 = node('node1', {ip: '10.0.1.1/24', vxlan: '10.65.0.0'});
const node2 = node('node2', {ip: '10.0.1.2/24', vxlan: '10.65.0.64'});
const node3 = node('node3', {ip: '10.0.2.3/24', vxlan: '10.65.0.128'});
const ownTunnelConfig = 'config node: IPv4VXLANTunnelAddr=10.65.0.0';
const ownTunnel = 'local-tunnel 4 66:f9:37:c3:7e:94 10.65.0.0 on 10.0.1.1';
const vtep2 = 'vtep 4/node2 66:2d:bf:44:a6:8b 10.65.0.64 on 10.0.1.2';
const vtep3 = 'vtep 4/node3 66:a4:6f:e0:c4:da 10.65.0.128 on 10.0.2.3';

const vxlanPool = (spec = {}) => pool('pool', '10.65.0.0/16', {vxlanMode: 'Always', ...spec});
const ownBlock = block('10.65.0.0/26', 'node1', {0: 'node1', 1: 'node1'});
const block2 = block('10.65.0.64/26', 'node2', {0: 'node2'});
const block3 = block('10.65.0.128/26', 'node3', {0: 'node3'});
const threeNodes = [ready(), node1, node2, node3, ownBlock, block2, block3];

const web = workload('node1', 'web-0', 'caliweb', ['10.65.0.1/32'], {mac: 'EE:00:00:00:00:01'});
const remotePod = workload('node2', 'db-0', 'calidb', ['10.65.0.65/32']);

export const STATES: readonly State[] = [
  {name: 'nothing but a datastore that is ready', content: datastore(ready()), expected: ['encapsulation']},
  {
    name: 'our node alone, without address',
    content: datastore(ready(), node('node1', {}), vxlanPool(), ownBlock),
    expected: ['encapsulation vxlan', 'route 10.65.0.0/26 local-block vxlan node1 ?'],
  },
  {
    name: 'VXLAN Always',
    content: datastore(...threeNodes, vxlanPool(), web, remotePod),
    expected: [
      ownTunnelConfig,
      'encapsulation vxlan',
      'endpoint k8s/default/web-0/eth0 caliweb ee:00:00:00:00:01 10.65.0.1/32 kns.default',
      ownTunnel,
      'route 10.65.0.0/26 local-block vxlan node1 10.0.1.1',
      'route 10.65.0.128/26 remote-workload vxlan node3 10.0.2.3',
      'route 10.65.0.64/26 remote-workload vxlan node2 10.0.1.2',
      vtep2,
      vtep3,
    ],
  },
  {
    name: 'VXLAN CrossSubnet',
    content: datastore(...threeNodes, vxlanPool({vxlanMode: 'CrossSubnet'})),
    expected: [
      ownTunnelConfig,
      'encapsulation vxlan',
      ownTunnel,
      'route 10.65.0.0/26 local-block vxlan node1 10.0.1.1',
      'route 10.65.0.128/26 remote-workload vxlan node3 10.0.2.3',
      'route 10.65.0.64/26 remote-workload vxlan node2 10.0.1.2 same-subnet',
      vtep2,
      vtep3,
    ],
  },
  {
    name: 'CrossSubnet, our node renumbered into the other subnet',
    content: datastore(
      ready(),
      node('node1', {ip: '10.0.2.1/24', vxlan: '10.65.0.0'}),
      node2,
      node3,
      ownBlock,
      block2,
      block3,
      vxlanPool({vxlanMode: 'CrossSubnet'}),
    ),
    expected: [
      ownTunnelConfig,
      'encapsulation vxlan',
      'local-tunnel 4 66:f9:37:c3:7e:94 10.65.0.0 on 10.0.2.1',
      'route 10.65.0.0/26 local-block vxlan node1 10.0.2.1',
      'route 10.65.0.128/26 remote-workload vxlan node3 10.0.2.3 same-subnet',
      'route 10.65.0.64/26 remote-workload vxlan node2 10.0.1.2',
      vtep2,
      vtep3,
    ],
  },
  {
    name: 'no encapsulation, pool disabled',
    content: datastore(...threeNodes, pool('pool', '10.65.0.0/16', {disabled: true})),
    expected: [
      ownTunnelConfig,
      'encapsulation',
      ownTunnel,
      'route 10.65.0.0/26 local-block none node1 10.0.1.1',
      'route 10.65.0.128/26 remote-workload none node3 10.0.2.3',
      'route 10.65.0.64/26 remote-workload none node2 10.0.1.2',
      vtep2,
      vtep3,
    ],
  },
  {
    name: 'pool deleted',
    content: datastore(...threeNodes, web),
    expected: [
      ownTunnelConfig,
      'encapsulation',
      'endpoint k8s/default/web-0/eth0 caliweb ee:00:00:00:00:01 10.65.0.1/32 kns.default',
      ownTunnel,
      vtep2,
      vtep3,
    ],
  },
  {
    name: 'only for load balancers',
    content: datastore(...threeNodes, pool('pool', '10.65.0.0/16', {allowedUses: ['LoadBalancer']})),
    expected: [ownTunnelConfig, 'encapsulation', ownTunnel, vtep2, vtep3],
  },
  {
    name: 'a node without Node, another renumbered with a MAC of its own, a borrowed address, a borrowed tunnel address',
    content: datastore(
      ready(),
      node1,
      node('node3', {ip: '10.0.2.33/24', vxlan: '10.65.0.70', mac: '66:00:00:00:00:33'}),
      // node2's block holds a pod of node1 and one of node4, node3's tunnel address, and one that node0 wrongly claims.
      block('10.65.0.64/26', 'node2', {0: 'node2', 3: 'node1', 4: 'node4', 6: 'node3', 8: 'node4'}),
      node('node0', {ip: '10.0.3.1/24', vxlan: '10.65.0.72'}),
      block3,
      block('10.65.0.192/26', undefined, {1: 'node4'}),
      [ownBlock[0], ownBlock[1].replace('"deleted":false', '"deleted":true')],
      block('10.65.1.0/26', 'virtual:load-balancer', {1: 'node4'}),
      vxlanPool(),
    ),
    expected: [
      ownTunnelConfig,
      'encapsulation vxlan',
      ownTunnel,
      'route 10.65.0.128/26 remote-workload vxlan node3 10.0.2.33',
      'route 10.65.0.193/32 remote-workload vxlan node4 ?',
      'route 10.65.0.64/26 remote-workload vxlan node2 ?',
      'route 10.65.0.68/32 remote-workload vxlan node4 ?',
      'route 10.65.0.70/32 remote-tunnel vxlan node3 10.0.2.33',
      'route 10.65.0.72/32 remote-workload vxlan node4 ?',
      'route 10.65.1.1/32 remote-workload vxlan node4 ?',
      'vtep 4/node0 66:50:0d:81:aa:fe 10.65.0.72 on 10.0.3.1',
      'vtep 4/node3 66:00:00:00:00:33 10.65.0.70 on 10.0.2.33',
    ],
  },
  {
    name: 'several pools with different modes, both families',
    content: datastore(
      ready(),
      node('node1', {ip: '10.0.1.1/24', ip6: 'fd00:1::1/64', vxlan6: 'fd00:65::', ipip: '10.66.0.0'}),
      node('node2', {ip: '10.0.1.2/24', ip6: 'fd00:1::2/64', vxlan6: 'fd00:65::40', ipip: '10.66.0.64'}),
      node('node3', {ip: '10.0.2.3/24', ip6: 'fd00:2::3/64'}),
      pool('outer', '10.64.0.0/14', {}),
      pool('vxlan', '10.65.0.0/16', {vxlanMode: 'Always'}),
      pool('ipip', '10.66.0.0/16', {ipipMode: 'CrossSubnet'}),
      pool('six', 'fd00:65::/64', {vxlanMode: 'CrossSubnet'}),
      // Two pools of one network: the first name counts.
      pool('z-same', '10.66.0.0/16', {vxlanMode: 'Always'}),
      block2,
      block('10.66.0.64/26', 'node2', {0: 'node2'}),
      block('10.66.0.128/26', 'node3'),
      block('10.67.0.0/26', 'node3'),
      block('10.67.0.64/32', 'node1'),
      block('10.66.0.0/26', 'node1', {0: 'node1'}),
      block('fd00:65::40/122', 'node2', {0: 'node2'}),
      block('fd00:65::80/122', 'node3'),
    ),
    expected: [
      'config node: IPv6VXLANTunnelAddr=fd00:65:: IpInIpTunnelAddr=10.66.0.0',
      'encapsulation ipip vxlan vxlanV6',
      'local-tunnel 4 66:f9:37:c3:7e:94 ? on 10.0.1.1',
      'local-tunnel 6 66:0f:35:f2:60:df fd00:65:: on fd00:1::1',
      'route 10.65.0.64/26 remote-workload vxlan node2 10.0.1.2',
      'route 10.66.0.0/26 local-block ipip node1 10.0.1.1',
      'route 10.66.0.128/26 remote-workload ipip node3 10.0.2.3',
      'route 10.66.0.64/26 remote-workload ipip node2 10.0.1.2 same-subnet',
      'route 10.67.0.0/26 remote-workload none node3 10.0.2.3',
      'route fd00:65::40/122 remote-workload vxlan node2 fd00:1::2 same-subnet',
      'route fd00:65::80/122 remote-workload vxlan node3 fd00:2::3',
      'vtep 6/node2 66:32:42:ed:de:d5 fd00:65::40 on fd00:1::2',
    ],
  },
  {
    name: 'addresses that would send traffic in circles, and two nodes with one tunnel address',
    content: datastore(
      ready(),
      node1,
      // The nodes' own addresses lie in the pool and are allocated; node3 has node2's tunnel address.
      node('node2', {ip: '10.65.9.9/24', vxlan: '10.65.0.64'}),
      node('node3', {ip: '10.65.9.10/24', vxlan: '10.65.0.64'}),
      block2,
      block('10.65.9.0/26', 'node3', {9: 'node2', 10: 'node2'}),
      block('0.0.0.0/32', 'node2'),
      pool('everything', '0.0.0.0/0'),
      vxlanPool(),
    ),
    expected: [
      ownTunnelConfig,
      'encapsulation vxlan',
      ownTunnel,
      'route 10.65.0.64/26 remote-workload vxlan node2 10.65.9.9',
      'route 10.65.9.0/26 remote-workload vxlan node3 10.65.9.10',
      'vtep 4/node2 66:2d:bf:44:a6:8b 10.65.0.64 on 10.65.9.9',
    ],
  },
  {
    name: 'tunnel addresses that are nobody’s block, or of another tunnel',
    content: datastore(
      ready(),
      node1,
      // Only what is borrowed, or has a block of its own, gets a route of its own.
      node('node2', {ip: '10.0.1.2/24', vxlan: '10.65.7.1', ipip: '10.65.8.2'}),
      node('node3', {ip: '10.0.2.3/24', ipip: '10.66.7.3'}),
      node('node4', {ip: '10.0.2.4/24', ipip: '10.66.7.4'}),
      block('10.65.8.0/30', 'node3'),
      block('10.66.7.4/32', 'node4'),
      vxlanPool(),
      pool('ipip', '10.66.0.0/16', {ipipMode: 'Always'}),
    ),
    expected: [
      ownTunnelConfig,
      'encapsulation ipip vxlan',
      ownTunnel,
      'route 10.65.8.0/30 remote-workload vxlan node3 10.0.2.3',
      'route 10.65.8.2/32 remote-workload vxlan node2 10.0.1.2',
      'route 10.66.7.4/32 remote-tunnel ipip node4 10.0.2.4',
      'vtep 4/node2 66:2d:bf:44:a6:8b 10.65.7.1 on 10.0.1.2',
    ],
  },
  {
    name: 'two endpoints want one interface, others are not valid',
    content: datastore(
      ready(),
      node('node1', {
        addresses: [
          {address: '10.0.9.9', type: 'ExternalIP'},
          {address: '10.0.1.1', type: 'InternalIP'},
        ],
      }),
      workload('node1', 'b', 'calishared', ['10.65.0.2/32']),
      workload('node1', 'a-1', 'calishared', ['10.65.0.3/32']),
      workload('node1', 'a', 'calishared', ['10.65.0.4/32']),
      workload('node1', 'dual', 'calidual', ['10.65.0.5/32', 'fd00:65::5/128'], {profiles: ['kns.default', 'ksa.x']}),
      workload('node1', 'noaddress', 'calinone', []),
      workload('node1', 'nointerface', '', ['10.65.0.6/32']),
      workload('node1', 'up', '..', ['10.65.0.7/32']),
      workload('node1', 'everything', 'all', ['10.65.0.8/32']),
      workload('node1', 'star', '*', ['10.65.0.9/32']),
      workload('node1', 'wide', 'caliwide', ['10.65.0.0/24']),
      workload('node1', 'text', 'calitext', ['not an address']),
      workload('node1', 'elsewhere', 'calielse', ['10.65.0.10/32'], {node: 'node2'}),
    ),
    expected: [
      'encapsulation',
      'endpoint k8s/default/a/eth0 calishared ? 10.65.0.4/32 kns.default',
      'endpoint k8s/default/dual/eth0 calidual ? 10.65.0.5/32 fd00:65::5/128 kns.default ksa.x',
      'local-tunnel 4 66:f9:37:c3:7e:94 ? on 10.0.1.1',
    ],
  },
  {
    name: 'one endpoint has left the interface to the other',
    content: datastore(
      ready(),
      node('node1-x', {ip: '10.0.1.7/24'}),
      workload('node1', 'b', 'calishared', ['10.65.0.2/32']),
      workload('node1', 'a', 'caliother', ['10.65.0.4/32']),
      workload('node1-x', 'a', 'calialien', ['10.65.0.11/32']),
    ),
    expected: [
      'encapsulation',
      'endpoint k8s/default/a/eth0 caliother ? 10.65.0.4/32 kns.default',
      'endpoint k8s/default/b/eth0 calishared ? 10.65.0.2/32 kns.default',
    ],
  },
  {
    name: 'objects that cannot be read count as absent',
    content: datastore(
      ...threeNodes,
      vxlanPool({cidr: '10.65.0.0/99'}),
      ['/calico/resources/v3/projectcalico.org/nodes/node3', '{"kind":"Node"'],
      ['/calico/ipam/v2/assignment/ipv4/block/10.65.0.64-26', '[]'],
      ['/calico/ipam/v2/assignment/ipv4/block/10.65.0.128-26', block3[1].replace('10.65.0.128/26', '10.65.0.192/26')],
      ['/calico/resources/v3/projectcalico.org/nodes/__proto__', node('__proto__', {ip: 'what'})[1]],
      ['/calico/something/else', '1'],
    ),
    expected: [ownTunnelConfig, 'encapsulation', ownTunnel, vtep2],
  },
  {
    name: 'every layer of configuration',
    content: datastore(
      ready({clusterGUID: 'guid', clusterType: 'k8s,bgp', calicoVersion: 'v3.32.1'}),
      node('node1', {ip: '10.0.1.1/24', labels: {rack: 'a'}}),
      resource('FelixConfiguration', 'default', {
        vxlanVNI: 5000,
        routeRefreshInterval: '1m30s',
        bpfLogLevel: '',
        ipipEnabled: false,
        interfacePrefix: 'cali,tap',
      }),
      resource(
        'FelixConfiguration',
        'young',
        {nodeSelector: "rack == 'a'", vxlanVNI: 6001},
        at('2024-02-01T00:00:00Z'),
      ),
      resource('FelixConfiguration', 'olde', {nodeSelector: 'all()', vxlanVNI: 6004}, at('2024-01-01T00:00:00Z')),
      resource('FelixConfiguration', 'old', {nodeSelector: "rack == 'a'", vxlanVNI: 6000}, at('2024-01-01T00:00:00Z')),
      resource('FelixConfiguration', 'aged', {nodeSelector: "rack == 'b'", vxlanVNI: 6002}, at('2023-01-01T00:00:00Z')),
      resource('FelixConfiguration', 'broken', {nodeSelector: 'rack ==', vxlanVNI: 6003}, at('2022-01-01T00:00:00Z')),
      resource(
        'FelixConfiguration',
        'node.node1',
        {vxlanPort: 4790, routeTableRanges: [{min: 1, max: 5}]},
        {annotations: {'config.projectcalico.org/VXLANMTU': '1400'}},
      ),
      resource('FelixConfiguration', 'node.node2', {vxlanPort: 4791}),
    ),
    expected: [
      'config global: CalicoVersion=v3.32.1 ClusterGUID=guid ClusterType=k8s,bgp InterfacePrefix=cali,tap IpInIpEnabled=false RouteRefreshInterval=90 VXLANVNI=5000',
      'config node: RouteTableRanges=1-5 VXLANMTU=1400 VXLANPort=4790',
      'config selector: VXLANVNI=6000',
      'encapsulation',
      'local-tunnel 4 66:f9:37:c3:7e:94 ? on 10.0.1.1',
    ],
  },
];

function at(creationTimestamp: string): {readonly creationTimestamp: string} {
  return {creationTimestamp};
}
