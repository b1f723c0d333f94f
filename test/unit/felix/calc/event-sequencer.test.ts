import t from 'tap';
import {EventSequencer, type ObjectIntent} from '../../../../src/felix/calc/event-sequencer.ts';
import {describe} from './cluster.ts';

const endpoint = (id: string, interfaceName: string | undefined): ObjectIntent => ({
  kind: 'workload-endpoint',
  key: id,
  value:
    interfaceName === undefined
      ? undefined
      : {id, interfaceName, mac: undefined, ipv4Nets: [], ipv6Nets: [], profileIds: []},
});
const route = (cidr: string, node: string | undefined): ObjectIntent => ({
  kind: 'route',
  key: cidr,
  value:
    node === undefined
      ? undefined
      : {cidr, family: 4, type: 'remote-workload', encapsulation: 'none', node, nodeIp: undefined, sameSubnet: false},
});
const vtep = (node: string, mac: string | undefined): ObjectIntent => ({
  kind: 'vtep',
  key: node,
  value: mac === undefined ? undefined : {node, family: 4, mac, tunnelIp: '10.0.0.1', nodeIp: '10.9.0.1'},
});
const encapsulation = (vxlan: boolean): ObjectIntent => ({
  kind: 'encapsulation',
  value: {ipip: false, vxlan, vxlanV6: false},
});
const config = (value: string): ObjectIntent => ({
  kind: 'config',
  layer: 'global',
  values: new Map([['VXLANVNI', value]]),
});

void t.test('what is referred to comes first and goes last, whatever order it was put in', async (t) => {
  const sequencer = new EventSequencer();
  for (const intent of [
    endpoint('a', 'cali1'),
    route('10.1.0.0/26', 'node2'),
    vtep('node2', 'aa'),
    {kind: 'local-tunnel', family: 4, value: {family: 4, mac: 'bb', tunnelIp: undefined, nodeIp: undefined}} as const,
    encapsulation(true),
    config('1'),
  ])
    sequencer.put(intent);
  t.same(sequencer.flush(true).map(describe), [
    'config global: VXLANVNI=1',
    'encapsulation vxlan',
    'local-tunnel 4 bb ? on ?',
    'vtep node2 aa 10.0.0.1 on 10.9.0.1',
    'route 10.1.0.0/26 remote-workload none node2 ?',
    'endpoint a cali1 ?',
    'flush',
  ]);

  for (const intent of [
    {kind: 'local-tunnel', family: 4, value: undefined} as const,
    vtep('node2', undefined),
    route('10.1.0.0/26', undefined),
    endpoint('a', undefined),
    endpoint('b', 'cali1'),
  ])
    sequencer.put(intent);
  t.same(sequencer.flush(true).map(describe), [
    'endpoint b cali1 ?',
    '- endpoint a',
    '- route 10.1.0.0/26',
    '- vtep node2',
    '- local-tunnel 4',
    'flush',
  ]);
});

void t.test('repeats merge, and the data plane is not told what it has', async (t) => {
  const sequencer = new EventSequencer();
  sequencer.put(route('10.1.0.0/26', 'node2'));
  sequencer.put(route('10.1.0.0/26', 'node3'));
  t.equal(sequencer.pending, 1);
  t.same(sequencer.flush(true).map(describe), ['route 10.1.0.0/26 remote-workload none node3 ?', 'flush']);
  t.same(sequencer.flush(true), [], 'nothing new');

  sequencer.put(route('10.1.0.0/26', undefined));
  sequencer.put(route('10.1.0.0/26', 'node3'));
  sequencer.put(config('1'));
  t.same(sequencer.flush(true).map(describe), ['config global: VXLANVNI=1', 'flush'], 'gone and back again');
  sequencer.put(config('1'));
  t.same(sequencer.flush(true), [], 'equal values');

  sequencer.put(endpoint('a', 'cali1'));
  sequencer.put(endpoint('a', undefined));
  t.same(sequencer.flush(true), [], 'a removal of what was never sent');
  t.equal(sequencer.pending, 0);
  t.equal(sequencer.sent('route'), 1);
});

void t.test('a batch says whether the datastore is in sync', async (t) => {
  const sequencer = new EventSequencer();
  t.same(sequencer.flush(true), [{kind: 'flush', inSync: true}]);
  t.same(sequencer.flush(false), [{kind: 'flush', inSync: false}]);
  t.same(sequencer.flush(false), []);
  sequencer.put(encapsulation(false));
  t.same(sequencer.flush(false).map(describe), ['encapsulation', 'flush (not in sync)']);
});
