import {constants} from 'node:os';
import t from 'tap';
import {addon} from './support/builds.ts';
import {makeNamespace, removeAll} from './support/namespaces.ts';

t.teardown(removeAll);
const namespace = makeNamespace();
const {ENOENT, EACCES, EINVAL} = constants.errno;

void t.test('values are of the namespace, and the process is back in its own', async (t) => {
  const path = 'net/ipv4/ip_forward';
  const own = addon.readSysctls(undefined, [path]);
  const writes = addon.counters().sysctlWrites;
  t.same(addon.writeSysctls(namespace.fd, [{path, value: '1'}]), [0]);
  t.same(addon.readSysctls(namespace.fd, [path]), ['1']);
  t.same(addon.writeSysctls(namespace.fd, [{path, value: '0'}]), [0]);
  t.same(addon.readSysctls(namespace.fd, [path]), ['0']);
  t.same(addon.readSysctls(undefined, [path]), own);
  t.equal(addon.counters().sysctlWrites, writes + 2);
});

void t.test('interfaces whose names have dots', async (t) => {
  namespace.ip('link add ct.1 type veth peer name ct..2');
  const paths = ['net/ipv4/conf/ct.1/proxy_arp', 'net/ipv6/conf/ct..2/forwarding'];
  t.same(addon.readSysctls(namespace.fd, paths), ['0', '0']);
  const writes = paths.map((path) => ({path, value: '1'}));
  t.same(addon.writeSysctls(namespace.fd, writes), [0, 0]);
  t.same(addon.readSysctls(namespace.fd, paths), ['1', '1']);
});

void t.test('a failing entry does not stop the others', async (t) => {
  const good = 'net/ipv4/conf/all/rp_filter';
  const paths = ['net/ipv4/conf/gone/rp_filter', good, 'net/ipv4'];
  t.match(addon.readSysctls(namespace.fd, paths), [-ENOENT, '0', Number]);
  const results = addon.writeSysctls(namespace.fd, [
    {path: 'net/ipv4/conf/gone/rp_filter', value: '1'},
    {path: 'net/ipv4/conf/lo/rp_filter', value: 'many'},
    {path: 'net/ipv4/route/gc_thresh/x', value: '1'},
    {path: good, value: '2'},
  ]);
  t.same([results[0], results[1], results[3]], [-ENOENT, -EINVAL, 0]);
  t.ok((results[2] ?? 0) < 0);
  t.same(addon.readSysctls(namespace.fd, [good]), ['2']);
  t.ok([-EACCES, -ENOENT].includes(Number(addon.readSysctls(namespace.fd, ['net/ipv4/route/flush'])[0])));
});

void t.test('no path leads out of /proc/sys/net', async (t) => {
  const paths = [
    'kernel/ostype',
    '/net/ipv4/ip_forward',
    'net',
    'net/',
    'net//ipv4/ip_forward',
    'net/ipv4/ip_forward/',
    'net/../kernel/ostype',
    'net/ipv4/../../kernel/ostype',
    'net/./ipv4/ip_forward',
    'net/ipv4/conf/a b/forwarding',
    'net/ipv4/conf/a\n/forwarding',
    'net/ipv4/conf/a\0b/forwarding',
    `net/ipv4/conf/${'x'.repeat(300)}/forwarding`,
    'network/ipv4',
  ];
  for (const path of paths) {
    t.throws(() => addon.readSysctls(namespace.fd, [path]), TypeError, path);
    t.throws(() => addon.writeSysctls(namespace.fd, [{path, value: '1'}]), TypeError, path);
  }
  t.throws(() => addon.readSysctls(namespace.fd, Array(4097).fill('net/ipv4/ip_forward') as string[]), TypeError);
});
