/**
 * Against what real Calico v3.32.1 did (test/fixtures/felix): for the same Nodes, pools, blocks and endpoints, our
 * intents are the routes, neighbours, FDB entries and tunnel devices that it had in the kernel of each node, and the
 * datastore of its life cycle gives the routes one expects at each stage.
 */
import {readFileSync} from 'node:fs';
import t from 'tap';
import {parse} from 'yaml';
import {CalcGraph} from '../../../../src/felix/calc/calc-graph.ts';
import type {Intent} from '../../../../src/felix/calc/intent.ts';
import {silentLogger} from '../../../../src/lib/log.ts';
import {block, type Datastore, datastore, ready, resource, type Stored} from './cluster.ts';
import {DataPlaneView} from './data-plane-view.ts';

const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/felix/${name}`, import.meta.url), 'utf8');

interface KernelObjects {
  readonly routes: readonly {
    readonly type?: string;
    readonly dst: string;
    readonly gateway?: string;
    readonly dev?: string;
  }[];
  readonly neighbours: readonly {readonly dst: string; readonly dev: string; readonly lladdr: string}[];
  readonly fdb: readonly {readonly mac: string; readonly ifname: string; readonly dst: string}[];
  readonly tunnels: readonly {
    readonly ifname: string;
    readonly address: string;
    readonly data: {readonly local?: string; readonly local6?: string};
  }[];
}

interface Scenario {
  readonly nodes: string;
  readonly ippools: string;
  readonly workloads: readonly {
    readonly node: string;
    readonly pod: string;
    readonly if: string;
    readonly nets: readonly string[];
    readonly profiles: readonly string[];
    readonly mac: string;
  }[];
  readonly kernel: Readonly<Record<string, KernelObjects>>;
}

/** The blocks are not in the captures of the kernel, but each node has a blackhole for each of its own. */
function contentOf(scenario: Scenario): Datastore {
  const listed = (kind: string, text: string): Stored[] =>
    parse(text).items.map((item: {metadata: {name: string}; spec: unknown}) =>
      resource(kind, item.metadata.name, item.spec),
    );
  const blocks = Object.entries(scenario.kernel).flatMap(([owner, {routes}]) =>
    routes.filter(({type}) => type === 'blackhole').map(({dst}) => block(dst, owner)),
  );
  const workloads = scenario.workloads.map(({node, pod, if: interfaceName, nets, profiles, mac}) =>
    resource(
      'WorkloadEndpoint',
      `${node}-cni-${pod}-eth0`,
      {orchestrator: 'cni', node, containerID: pod, endpoint: 'eth0', ipNetworks: nets, profiles, interfaceName, mac},
      {namespace: 'default'},
    ),
  );
  return datastore(
    ready(),
    ...listed('Node', scenario.nodes),
    ...listed('IPPool', scenario.ippools),
    ...blocks,
    ...workloads,
  );
}

function calculate(nodeName: string, content: Datastore): readonly Intent[] {
  const graph = new CalcGraph({nodeName}, {log: silentLogger});
  graph.onUpdates([...content].map(([key, value]) => ({key, value, revision: '1'})));
  graph.onStatus('in-sync');
  t.equal(graph.counters.invalidObjects, 0);
  return graph.flush();
}

/** What the data plane makes of an intent, as far as the intent decides it. */
function kernelObjects(intents: readonly Intent[]): string[] {
  const tunnelIps = new Map<string, string>();
  const usesVxlan = intents.some(
    ({kind, ...intent}) => kind === 'encapsulation' && JSON.stringify(intent).includes('"vxlan":true'),
  );
  return intents.flatMap((intent): string[] => {
    switch (intent.kind) {
      case 'vtep': {
        const vtep = intent.value;
        if (vtep === undefined) return [];
        tunnelIps.set(`${vtep.family} ${vtep.node}`, vtep.tunnelIp);
        const device = deviceOf(vtep.family);
        return [`neighbour ${vtep.tunnelIp} ${vtep.mac} ${device}`, `fdb ${vtep.mac} ${vtep.nodeIp} ${device}`];
      }
      case 'local-tunnel':
        return intent.value && usesVxlan
          ? [`tunnel ${deviceOf(intent.family)} ${intent.value.mac} ${intent.value.nodeIp}`]
          : [];
      case 'route': {
        const route = intent.value;
        if (route === undefined) return [];
        if (route.type === 'local-block') return [`blackhole ${route.cidr}`];
        if (route.encapsulation === 'none' || route.sameSubnet) return [`route ${route.cidr} via ${route.nodeIp} eth0`];
        return [`route ${route.cidr} via ${tunnelIps.get(`${route.family} ${route.node}`)} ${deviceOf(route.family)}`];
      }
      case 'workload-endpoint': {
        const {ipv4Nets = [], ipv6Nets = [], interfaceName} = intent.value ?? {};
        return [...ipv4Nets, ...ipv6Nets].map((net) => `route ${net.replace(/\/.*/, '')} ${interfaceName}`);
      }
      case 'config':
      case 'encapsulation':
      case 'flush':
        return [];
      default:
        return intent satisfies never;
    }
  });
}

const deviceOf = (family: 4 | 6) => (family === 4 ? 'vxlan.calico' : 'vxlan-v6.calico');

function capturedObjects({routes, neighbours, fdb, tunnels}: KernelObjects): string[] {
  return [
    ...routes.map(({type, dst, gateway, dev}) => {
      if (type === 'blackhole') return `blackhole ${dst}`;
      return gateway === undefined ? `route ${dst} ${dev}` : `route ${dst} via ${gateway} ${dev}`;
    }),
    ...neighbours.map(({dst, dev, lladdr}) => `neighbour ${dst} ${lladdr} ${dev}`),
    ...fdb.map(({mac, ifname, dst}) => `fdb ${mac} ${dst} ${ifname}`),
    ...tunnels.map(({ifname, address, data}) => `tunnel ${ifname} ${address} ${data.local ?? data.local6}`),
  ];
}

const scenarios: Record<string, Scenario> = JSON.parse(fixture('kernel.json'));

for (const [name, scenario] of Object.entries(scenarios)) {
  void t.test(`kernel of ${name}`, async (t) => {
    const content = contentOf(scenario);
    for (const [nodeName, kernel] of Object.entries(scenario.kernel)) {
      const ours = kernelObjects(calculate(nodeName, content)).toSorted();
      t.same(ours, capturedObjects(kernel).toSorted(), nodeName);
    }
  });
}

/** Changes of the datastore from one stage to the next; null: the key is gone. */
const changes: {stage: string; key: string; value: string | null}[] = fixture('stages.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

const ownRoutes = [
  'route 10.244.166.128/26 local-block vxlan node1 10.96.1.11',
  'route fd10:244::c11:b42f:f17e:a680/122 local-block vxlan node1 fd00:96:1::11',
];
const node2Routes = [
  'route 10.244.104.0/26 remote-workload vxlan node2 10.96.1.12',
  'route fd10:244::d460:b250:45:b00/122 remote-workload vxlan node2 fd00:96:1::12',
];
const second = 'route 10.244.166.192/26 local-block vxlan node1 10.96.1.11';
const small = 'route 10.245.0.0/29 local-block vxlan node1 10.96.1.11';
const borrowed = (...ips: string[]) => ips.map((ip) => `route ${ip}/32 remote-workload vxlan node2 10.96.1.12`);

/** Calico does not release a deleted node's IPv6 tunnel address. */
const leaked = 'route fd10:244::d460:b250:45:b00/128 remote-workload vxlan node2 ?';

const expectedRoutes: Record<string, readonly string[]> = {
  '03-two-nodes': [...ownRoutes, ...node2Routes],
  '06-dual-stack-pod': [...ownRoutes, ...node2Routes],
  '11-borrowed': [...ownRoutes, second, small, ...node2Routes, ...borrowed('10.245.0.3', '10.245.0.4')],
  '13-cni-del': [
    ...ownRoutes,
    second,
    small,
    ...node2Routes,
    ...borrowed('10.245.0.3', '10.245.0.5', '10.245.0.6', '10.245.0.7'),
  ],
  '19-node2-deleted': [...ownRoutes, second, small, leaked],
  '20-all-deleted': [...ownRoutes, second, small, leaked],
};

void t.test('routes of node1 through the life cycle of a cluster', async (t) => {
  const graph = new CalcGraph({nodeName: 'node1'}, {log: silentLogger});
  const view = new DataPlaneView();
  graph.onStatus('in-sync');
  for (const [stage, expected] of Object.entries(expectedRoutes)) {
    const updates = changes.filter((change) => change.stage === stage);
    graph.onUpdates(updates.map(({key, value}) => ({key, value: value ?? undefined, revision: `${stage} ${key}`})));
    view.take(graph.flush());
    t.same(
      view.lines().filter((line) => line.startsWith('route')),
      expected.toSorted(),
      stage,
    );
    t.equal(graph.counters.invalidObjects, 0);
  }
});
