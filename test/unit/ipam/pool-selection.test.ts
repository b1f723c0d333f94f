import t from 'tap';
import {blockOf, type PoolRequest, poolContaining, selectPools} from '../../../src/ipam/pool-selection.ts';
import {poolOf} from '../../../src/ipam/rules.ts';
import {formatCidr, requireIp} from '../../../src/lib/cidr.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';

function pool(name: string, spec: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}) {
  const text = JSON.stringify({kind: 'IPPool', apiVersion: 'projectcalico.org/v3', metadata: {name}, spec, ...more});
  const made = poolOf(IPPool.decode(text, IPPool.key({name})));
  if (made === undefined) throw new Error(`${name} is no pool`);
  return made;
}

const POOLS = [
  pool('a-default', {cidr: '10.0.0.0/16'}),
  pool('b-disabled', {cidr: '10.1.0.0/16', disabled: true}),
  pool('c-rack', {cidr: '10.2.0.0/16', nodeSelector: "rack == '1'"}),
  pool('d-manual', {cidr: '10.3.0.0/16', assignmentMode: 'Manual'}),
  pool('e-tunnel', {cidr: '10.4.0.0/24', allowedUses: ['Tunnel'], blockSize: 32}),
  pool('f-workload', {cidr: '10.5.0.0/16', allowedUses: ['Workload'], namespaceSelector: "team == 'x'"}),
  pool('g-v6', {cidr: 'fd00::/64'}),
  pool(
    'h-refused',
    {cidr: '10.6.0.0/16'},
    {status: {conditions: [{type: 'Allocatable', status: 'False', reason: 'CIDROverlap', message: ''}]}},
  ),
  pool('i-going', {cidr: '10.7.0.0/16'}, {metadata: {name: 'i-going', deletionTimestamp: '2026-01-01T00:00:00Z'}}),
  pool('j-services', {cidr: '10.8.0.0/16', allowedUses: ['LoadBalancer']}),
];
const NODE = new Map([['rack', '2']]);
const request = (wanted: Partial<PoolRequest>): PoolRequest => ({
  family: 4,
  use: 'Workload',
  nodeLabels: NODE,
  ...wanted,
});
const names = (wanted: Partial<PoolRequest>) => selectPools(POOLS, request(wanted)).map(({name}) => name);

void t.test(
  'automatic choice: enabled, automatic, selecting node and namespace, allowing the use, by name',
  async (t) => {
    t.same(names({}), ['a-default']);
    t.same(names({nodeLabels: new Map([['rack', '1']])}), ['a-default', 'c-rack']);
    t.same(names({namespaceLabels: new Map([['team', 'x']])}), ['a-default', 'f-workload']);
    t.same(names({use: 'Tunnel'}), ['a-default', 'e-tunnel']);
    t.same(names({family: 6}), ['g-v6']);
    t.same(names({use: 'LoadBalancer', nodeLabels: undefined}), ['j-services']);
  },
);

void t.test('explicit pools: in the order asked, whatever they select, by CIDR or name', async (t) => {
  t.same(names({pools: ['10.3.0.0/16', 'c-rack', '10.0.0.0/16']}), ['d-manual', 'c-rack', 'a-default']);
  t.throws(() => names({pools: ['10.1.0.0/16']}), {
    code: 'E_IPAM_NO_POOL',
    message: 'the given pool (10.1.0.0/16) does not exist, or is not enabled',
  });
  t.throws(() => names({pools: ['10.0.0.0/17']}), {code: 'E_IPAM_NO_POOL'}, 'a part of a pool is no pool');
  t.throws(() => names({pools: ['h-refused']}), {code: 'E_IPAM_NO_POOL'});
  t.throws(() => names({pools: ['i-going']}), {code: 'E_IPAM_NO_POOL'});
  t.throws(() => names({pools: ['g-v6']}), {code: 'E_IPAM_NO_POOL'}, 'another family');
  t.throws(() => names({pools: ['e-tunnel']}), {message: 'no IPPool allows the use Workload'});
});

void t.test('each rule that leaves no pool says so', async (t) => {
  t.throws(() => selectPools([], request({})), {message: 'there is no enabled IPPool of this family'});
  t.throws(() => selectPools(POOLS.slice(2, 3), request({})), {
    message: 'no enabled IPPool selects this node and namespace',
  });
});

void t.test('a disabled pool still tells where a block lies', async (t) => {
  const found = poolContaining(POOLS, requireIp('10.1.2.3'));
  t.equal(found?.name, 'b-disabled');
  t.equal(found && formatCidr(blockOf(found, requireIp('10.1.2.3'))), '10.1.2.0/26');
  const small = poolContaining(POOLS, requireIp('10.4.0.9'));
  t.equal(small && formatCidr(blockOf(small, requireIp('10.4.0.9'))), '10.4.0.9/32');
});

void t.test('sparse and odd pools: defaults, host bits, a block size that is none', async (t) => {
  t.match(pool('x', {cidr: '10.9.1.1/24'}), {blockSize: 26, enabled: true, automatic: true});
  t.equal(formatCidr(pool('x', {cidr: '10.9.1.1/24'}).cidr), '10.9.1.0/24');
  t.equal(pool('x', {cidr: 'fd00::/64'}).blockSize, 122);
  t.same([...pool('x', {cidr: '10.9.1.0/24', allowedUses: []}).allowedUses], ['Workload', 'Tunnel']);
  t.throws(() => pool('x', {cidr: '10.9.0.0/16', blockSize: 12}), /no pool/);
  t.throws(() => pool('x', {cidr: '10.9.0.0/16', nodeSelector: 'rack ='}), {code: 'E_BAD_SELECTOR'});
});
