/** Whatever JavaScript hands over, the answer is a TypeError and never a crash. */
import {openSync} from 'node:fs';
import t from 'tap';
import {addon} from './support/builds.ts';
import * as netlink from './support/messages.ts';
import {makeNamespace, removeAll} from './support/namespaces.ts';

t.teardown(removeAll);
const namespace = makeNamespace();

/** Calls a function of the addon with anything at all. */
const call = (receiver: object, name: string, ...values: unknown[]): unknown =>
  Reflect.apply(Reflect.get(receiver, name) as (...values: unknown[]) => unknown, receiver, values);

const nonsense: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 31,
  2 ** 53,
  10n,
  '',
  'text',
  'x'.repeat(100_000),
  'with\0nul',
  Symbol('s'),
  {},
  [],
  [undefined],
  new Uint16Array(4),
  new DataView(new ArrayBuffer(8)),
  new ArrayBuffer(8),
  new Proxy({}, {}),
];

void t.test('nonsense in every place', async (t) => {
  const socket = addon.openNetlink({protocol: 0, netnsFd: namespace.fd});
  const refused = (what: string, operation: () => unknown): void => {
    t.throws(operation, TypeError, what);
  };
  for (const value of nonsense) {
    const text = typeof value === 'symbol' ? 'symbol' : `${typeof value} ${String(value).slice(0, 20)}`;
    refused(`options ${text}`, () => call(addon, 'openNetlink', value));
    refused(`protocol ${text}`, () => call(addon, 'openNetlink', {protocol: value}));
    if (value !== undefined) {
      refused(`netnsFd ${text}`, () => call(addon, 'openNetlink', {protocol: 0, netnsFd: value}));
      refused(`receiveBuffer ${text}`, () => call(addon, 'openNetlink', {protocol: 0, receiveBuffer: value}));
      refused(`netnsFd of sysctls ${text}`, () => call(addon, 'readSysctls', value, []));
      if (!Array.isArray(value) || value.length > 0) {
        refused(`groups ${text}`, () => call(addon, 'openNetlink', {protocol: 0, groups: value}));
      }
    }
    refused(`group ${text}`, () => call(addon, 'openNetlink', {protocol: 0, groups: [value]}));
    refused(`transact ${text}`, () => call(socket, 'transact', value));
    refused(`transactAsync ${text}`, () => call(socket, 'transactAsync', value));
    refused(`listen ${text}`, () => call(socket, 'listen', value));
    refused(`networkNamespace ${text}`, () => call(addon, 'networkNamespace', value));
    refused(`path of listenUnix ${text}`, () =>
      call(
        addon,
        'listenUnix',
        typeof value === 'string' && value === 'text' ? '' : value,
        {mode: 0o600, backlog: 1},
        5,
      ),
    );
    refused(`options of listenUnix ${text}`, () => call(addon, 'listenUnix', '/tmp/never', value, () => {}));
    refused(`mode ${text}`, () => call(addon, 'listenUnix', '/tmp/never', {mode: value, backlog: 1}, () => {}));
    refused(`backlog ${text}`, () => call(addon, 'listenUnix', '/tmp/never', {mode: 0, backlog: value}, () => {}));
    refused(`sysctl ${text}`, () => call(addon, 'readSysctls', undefined, [value]));
    refused(`sysctl write ${text}`, () => call(addon, 'writeSysctls', undefined, [value]));
    refused(`sysctl path ${text}`, () => call(addon, 'writeSysctls', undefined, [{path: value, value: '1'}]));
    if (value !== 'text') {
      refused(`sysctl value ${text}`, () =>
        call(addon, 'writeSysctls', namespace.fd, [{path: 'net/ipv4/ip_forward', value}]),
      );
    }
  }
  socket.close();
});

void t.test('batches that are none', async (t) => {
  const socket = addon.openNetlink({protocol: 0, netnsFd: namespace.fd});
  const good = netlink.dumpLinks(1);
  const changed = (at: number, value: number): Buffer => {
    const batch = Buffer.from(good);
    batch.writeUInt32LE(value, at);
    return batch;
  };
  const unanswered = netlink.message(netlink.RTM.GETLINK, 1, 1, Buffer.alloc(16));
  const batches = {
    empty: Buffer.alloc(0),
    'half a header': good.subarray(0, 15),
    'cut off': good.subarray(0, good.length - 1),
    'with a tail': Buffer.concat([good, Buffer.alloc(3)]),
    'length 0': changed(0, 0),
    'length 15': changed(0, 15),
    'length beyond the end': changed(0, good.length + 1),
    'length of 4 GiB': changed(0, 0xffffffff),
    'no answer asked for': unanswered,
    'no request': netlink.message(netlink.RTM.GETLINK, 4, 1, Buffer.alloc(16)),
    'a sequence number twice': Buffer.concat([netlink.addRoute(1, 1), netlink.addRoute(1, 2)]),
    'beyond 64 MiB': Buffer.alloc(64 * 1024 * 1024 + 1),
  };
  for (const [name, batch] of Object.entries(batches)) {
    t.throws(() => socket.transact(batch), TypeError, name);
    t.throws(() => socket.transactAsync(batch), TypeError, name);
  }
  const moved = new Uint8Array(good);
  structuredClone(moved, {transfer: [moved.buffer]});
  t.throws(() => socket.transact(moved), TypeError, 'a buffer that was transferred');
  t.ok(netlink.linkNames(socket.transact(good).data).includes('lo'), 'and the socket works');
  socket.close();
});

void t.test('methods only work on their own objects', async (t) => {
  const socket = addon.openNetlink({protocol: 0, netnsFd: namespace.fd});
  for (const receiver of [{}, Object.create(socket) as object, addon, [], () => {}, null, 5]) {
    for (const name of ['transact', 'transactAsync', 'listen', 'close'] as const) {
      t.throws(() => Reflect.apply(socket[name], receiver, [netlink.dumpLinks(1)]), TypeError);
    }
  }
  socket.close();
});

void t.test('exceptions of getters come through, and nothing was done', async (t) => {
  const thrown = new RangeError('from the getter');
  const options = {
    get protocol(): number {
      throw thrown;
    },
  };
  t.throws(() => addon.openNetlink(options), thrown);
  const writes = addon.counters().sysctlWrites;
  const list = [
    {path: 'net/ipv4/ip_forward', value: '1'},
    {
      path: 'net/ipv4/ip_forward',
      get value(): string {
        throw thrown;
      },
    },
  ];
  t.throws(() => addon.writeSysctls(namespace.fd, list), thrown);
  t.equal(addon.counters().sysctlWrites, writes);
  t.same(addon.readSysctls(namespace.fd, ['net/ipv4/ip_forward']), ['0']);
});

void t.test('what is no network namespace', async (t) => {
  t.equal(addon.networkNamespace(namespace.fd)?.inode, addon.networkNamespace(openSync(namespace.path, 'r'))?.inode);
  t.not(addon.networkNamespace(namespace.fd)?.inode, addon.networkNamespace(openSync('/proc/self/ns/net', 'r'))?.inode);
  const others = {
    'a file': openSync('/etc/hosts', 'r'),
    'a folder': openSync('/proc/self/ns', 'r'),
    'another kind of namespace': openSync('/proc/self/ns/uts', 'r'),
    'a device': openSync('/dev/null', 'r'),
    'a path only': openSync(namespace.path, 0o10000000),
    'not open': 12_345,
  };
  for (const [name, fd] of Object.entries(others)) {
    t.equal(addon.networkNamespace(fd), undefined, name);
    t.throws(() => addon.openNetlink({protocol: 0, netnsFd: fd}), {code: 'EINVAL', syscall: 'setns'}, name);
    t.throws(() => addon.readSysctls(fd, []), {code: 'EINVAL'}, name);
  }
});
