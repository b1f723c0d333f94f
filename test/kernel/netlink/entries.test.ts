/** Addresses, neighbours, forwarding entries and rules written by us, as `ip` and `bridge` show them. */
import t from 'tap';
import {type AddressSpec, deleteAddresses, replaceAddresses} from '../../../src/netlink/addresses.ts';
import {deleteFdb, dumpFdb, replaceFdb} from '../../../src/netlink/fdb.ts';
import type {Outcome} from '../../../src/netlink/kernel-answer.ts';
import {createVeth, createVxlan} from '../../../src/netlink/links.ts';
import {deleteNeighbours, replaceNeighbours} from '../../../src/netlink/neighbours.ts';
import {RouteSocket} from '../../../src/netlink/route-socket.ts';
import {addRules, deleteRules, dumpRules, type RuleSpec} from '../../../src/netlink/rules.ts';
import {createNamespace, type Json} from './support/test-namespace.ts';

const node = createNamespace('entries');
t.teardown(() => node[Symbol.dispose]());
const socket = new RouteSocket({netnsFd: node.fd});
t.teardown(() => socket.close());
const veth = await createVeth(socket, {name: 'eth0', up: true, peer: {name: 'peer'}});
const four = await createVxlan(socket, {
  name: 'vx4',
  id: 4096,
  port: 4789,
  learning: false,
  local: '10.0.0.1',
  up: true,
});
const six = await createVxlan(socket, {name: 'vx6', id: 4096, port: 4789, learning: false, local: 'fd00::1', up: true});

const failed = (outcomes: readonly Outcome[]) =>
  outcomes.flatMap((outcome, i) => (outcome.ok ? [] : [`${i} ${outcome.name}`]));

void t.test('addresses', async (t) => {
  const addresses: readonly AddressSpec[] = [
    {index: veth.index, ip: '10.95.1.11', prefixLength: 24},
    {index: veth.index, ip: '169.254.1.1', prefixLength: 32, scope: 253, noPrefixRoute: true},
    {index: veth.index, ip: 'fd00:95::11', prefixLength: 64, nodad: true},
    {index: veth.index, ip: 'fd00:96::11', prefixLength: 128, nodad: true, noPrefixRoute: true},
  ];
  /** Without the addresses the kernel makes itself. */
  const shown = (family: 4 | 6) => {
    const [link] = node.ipJson('-d', `-${family}`, 'addr', 'show', 'dev', 'eth0');
    const list = (link?.addr_info ?? []) as Json[];
    return list.filter(({scope}) => family === 4 || scope !== 'link');
  };
  t.strictSame(failed(await replaceAddresses(socket, addresses)), []);
  t.strictSame(failed(await replaceAddresses(socket, addresses)), [], 'and once more');
  t.match(shown(4), [
    {local: '169.254.1.1', prefixlen: 32, scope: 'link', noprefixroute: true},
    {local: '10.95.1.11', prefixlen: 24, scope: 'global'},
  ]);
  t.match(shown(6), [
    {local: 'fd00:96::11', prefixlen: 128, nodad: true, noprefixroute: true},
    {local: 'fd00:95::11', prefixlen: 64, nodad: true},
  ]);
  t.notOk(shown(6).some(({tentative}) => tentative === true));
  t.strictSame(
    failed(
      await replaceAddresses(socket, [
        {index: 9999, ip: '10.0.0.1', prefixLength: 32},
        {index: veth.index, ip: '10.0.0.1', prefixLength: 33},
      ]),
    ),
    ['0 ENODEV', '1 EINVAL'],
  );
  t.strictSame(failed(await deleteAddresses(socket, addresses.slice(1))), []);
  t.strictSame(failed(await deleteAddresses(socket, addresses.slice(1))), [], 'gone already is done');
  t.match(shown(4), [{local: '10.95.1.11'}]);
  t.equal(shown(4).length, 1);
  t.strictSame(shown(6), []);
});

void t.test('neighbours', async (t) => {
  const permanent = [
    {index: four.index, ip: '10.244.104.0', mac: '66:2d:bf:44:a6:8b'},
    {index: six.index, ip: 'fd00:10:244::7', mac: '66:32:42:ed:de:d5'},
  ];
  const proxies = [
    {index: veth.index, ip: 'fd00:77::1', proxy: true as const},
    {index: veth.index, ip: '10.77.0.1', proxy: true as const},
  ];
  t.strictSame(failed(await replaceNeighbours(socket, [...permanent, ...proxies])), []);
  const shown = () => node.ipJson('neigh', 'show', 'nud', 'permanent');
  t.strictSame(shown(), [
    {dst: '10.244.104.0', dev: 'vx4', lladdr: '66:2d:bf:44:a6:8b', state: ['PERMANENT']},
    {dst: 'fd00:10:244::7', dev: 'vx6', lladdr: '66:32:42:ed:de:d5', state: ['PERMANENT']},
  ]);
  t.equal(node.ipJson('neigh', 'show', 'proxy').length, 2);
  t.strictSame(
    failed(await replaceNeighbours(socket, [{index: four.index, ip: '10.244.104.0', mac: '66:00:00:00:00:01'}])),
    [],
  );
  t.match(shown(), [{lladdr: '66:00:00:00:00:01'}, {}]);
  const all = [...permanent, ...proxies];
  t.strictSame(failed(await deleteNeighbours(socket, all)), []);
  t.strictSame(
    failed(await deleteNeighbours(socket, [...all, {index: 9999, ip: '10.0.0.1'}])),
    [],
    'gone already is done',
  );
  t.strictSame(shown(), []);
  t.strictSame(node.ipJson('neigh', 'show', 'proxy'), []);
});

void t.test('forwarding entries', async (t) => {
  const entries = [
    {index: four.index, mac: '66:2d:bf:44:a6:8b', dst: '10.95.1.12'},
    {index: six.index, mac: '66:32:42:ed:de:d5', dst: 'fd00:95:1::12'},
  ];
  t.strictSame(failed(await replaceFdb(socket, entries)), []);
  t.match(node.bridgeJson('fdb', 'show', 'dev', 'vx4'), [
    {mac: '66:2d:bf:44:a6:8b', dst: '10.95.1.12', flags: ['self'], state: 'permanent'},
  ]);
  t.match(node.bridgeJson('fdb', 'show', 'dev', 'vx6'), [
    {mac: '66:32:42:ed:de:d5', dst: 'fd00:95:1::12', state: 'permanent'},
  ]);
  t.strictSame(
    failed(await replaceFdb(socket, [{index: four.index, mac: '66:2d:bf:44:a6:8b', dst: '10.95.1.13'}])),
    [],
  );
  t.match(await dumpFdb(socket, {index: four.index}), [{dst: '10.95.1.13', table: 'self', permanent: true}]);
  t.equal((await dumpFdb(socket, {index: four.index})).length, 1);
  t.strictSame(failed(await deleteFdb(socket, [{index: four.index, mac: '66:2d:bf:44:a6:8b', dst: '10.95.1.99'}])), []);
  t.equal((await dumpFdb(socket, {index: four.index})).length, 1, 'another remote end');
  const gone = entries.map(({index, mac}) => ({index, mac}));
  t.strictSame(failed(await deleteFdb(socket, gone)), []);
  t.strictSame(failed(await deleteFdb(socket, gone)), [], 'gone already is done');
  t.strictSame(node.bridgeJson('fdb', 'show', 'dev', 'vx4'), []);
});

void t.test('rules', async (t) => {
  const rules: readonly RuleSpec[] = [
    {family: 4, priority: 99, invert: true, fwmark: 0x100000, fwmask: 0x100000, table: 4000},
    {family: 4, priority: 100, src: '10.1.0.0/16', dst: '10.2.3.4/32', iif: 'eth0', table: 7, protocol: 80},
    {family: 4, priority: 101, ipProtocol: 6, dstPorts: [80, 90], srcPorts: [1, 2], action: 'prohibit'},
    {family: 6, priority: 102, src: 'fd00::/64', oif: 'eth0', table: 254, suppressPrefixLength: 0},
  ];
  t.strictSame(failed(await addRules(socket, rules)), []);
  t.strictSame(failed(await addRules(socket, rules)), [], 'there already is done, not doubled');
  t.match(node.ipJson('-d', '-4', 'rule').slice(1, 4), [
    {priority: 99, not: null, src: 'all', fwmark: '0x100000', fwmask: '0x100000', table: '4000', protocol: 'boot'},
    {priority: 100, src: '10.1.0.0', srclen: 16, dst: '10.2.3.4', iif: 'eth0', table: '7', protocol: '80'},
    {priority: 101, ipproto: 'tcp', sport_start: 1, sport_end: 2, dport_start: 80, dport_end: 90, action: 'prohibit'},
  ]);
  const [, six] = node.ipJson('-d', '-6', 'rule');
  t.match(six, {priority: 102, src: 'fd00::', srclen: 64, oif: 'eth0', suppress_prefixlen: 0});
  const read = [...(await dumpRules(socket, 4)), ...(await dumpRules(socket, 6))];
  for (const rule of rules)
    t.match(
      read.find(({priority}) => priority === rule.priority),
      rule,
    );
  t.strictSame(failed(await addRules(socket, [{family: 4, priority: 5, table: 0, iif: 'a-name-that-is-too-long'}])), [
    '0 ERANGE',
  ]);
  await deleteRules(socket, [{family: 4, priority: 99, fwmark: 0x200000, fwmask: 0x100000}]);
  t.ok(
    (await dumpRules(socket, 4)).some(({priority}) => priority === 99),
    'another mark',
  );
  t.strictSame(failed(await deleteRules(socket, rules)), []);
  t.strictSame(failed(await deleteRules(socket, rules)), [], 'gone already is done');
  t.strictSame(
    (await dumpRules(socket, 4)).map(({priority}) => priority),
    [0, 32766, 32767],
  );
});
