/**
 * What we write is what `ip` and `bridge` (iproute2 6.1) write for the same wish: their messages, as sent, are the
 * expectation. Only the sequence number, the order of attributes and the nested flag may differ.
 */
import t from 'tap';
import {writeFdbReplace} from '../../../src/netlink/fdb.ts';
import {writeLinkCreate} from '../../../src/netlink/link.ts';
import {MessageWriter} from '../../../src/netlink/message-writer.ts';
import {writeNeighbourReplace} from '../../../src/netlink/neighbours.ts';
import {writeRouteReplace} from '../../../src/netlink/route.ts';
import {writeRuleAdd} from '../../../src/netlink/rules.ts';
import {dissect, unhex} from './support/dissect.ts';

function written(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter();
  writer.reset(1);
  write(writer);
  return Uint8Array.from(writer.finish());
}

void t.test('ip route replace 10.244.105.0/26 via 10.244.104.0 dev 4 onlink mtu 1450 proto 80', async (t) => {
  const ours = written((writer) =>
    writeRouteReplace(writer, {
      dst: '10.244.105.0/26',
      gateway: '10.244.104.0',
      oif: 4,
      onlink: true,
      mtu: 1450,
      protocol: 80,
    }),
  );
  const theirs = unhex(`40000000 1800 0505 a8f7066b 00000000  02 1a 00 00 fe 50 00 01 04000000
    0800 0100 0af46900  0800 0500 0af46800  0800 0400 04000000  0c00 0800 0800 0200 aa050000`);
  t.strictSame(dissect(ours, 12, 'route'), dissect(theirs, 12, 'route'));
});

void t.test('ip -6 route replace fd00:9::/64 dev 3 proto 80', async (t) => {
  const ours = written((writer) => writeRouteReplace(writer, {dst: 'fd00:9::/64', oif: 3, protocol: 80}));
  const theirs = unhex(`38000000 1800 0505 a9f7066b 00000000  0a 40 00 00 fe 50 00 01 00000000
    1400 0100 fd000009000000000000000000000000  0800 0400 03000000`);
  t.strictSame(dissect(ours, 12, 'route'), dissect(theirs, 12, 'route'));
});

void t.test('ip link add tv0 address 02:00:00:00:00:01 mtu 1400 type veth peer name tv1', async (t) => {
  const ours = written((writer) =>
    writeLinkCreate(writer, {
      name: 'tv0',
      mac: '02:00:00:00:00:01',
      mtu: 1400,
      info: {kind: 'veth', peer: {name: 'tv1'}},
    }),
  );
  const theirs = unhex(`68000000 1000 0506 a8f7066b 00000000  00000000 00000000 00000000 00000000
    0a00 0100 020000000001 0000  0800 0400 78050000  0800 0300 74763000
    2c00 1200  0800 0100 76657468  2000 0200  1c00 0100 00000000 00000000 00000000 00000000  0800 0300 74763100`);
  t.strictSame(dissect(ours, 16, 'veth'), dissect(theirs, 16, 'veth'));
});

void t.test('ip link add tvx type vxlan id 4097 local 10.95.1.11 dev 2 dstport 4789 nolearning', async (t) => {
  const ours = written((writer) =>
    writeLinkCreate(writer, {
      name: 'tvx',
      info: {kind: 'vxlan', id: 4097, local: '10.95.1.11', parentIndex: 2, port: 4789, learning: false},
    }),
  );
  const theirs = unhex(`64000000 1000 0506 a8f7066b 00000000  00000000 00000000 00000000 00000000
    0800 0300 74767800  3c00 1200  0900 0100 7678 6c61 6e00 0000  2c00 0200  0800 0300 02000000  0800 0100 01100000
    0800 0400 0a5f010b  0500 0700 00000000  0600 0f00 12b50000`);
  t.strictSame(dissect(ours, 16, 'vxlan'), dissect(theirs, 16, 'vxlan'));
});

void t.test('ip neigh replace 10.244.104.9 lladdr 66:2d:bf:44:a6:8b dev 4 nud permanent', async (t) => {
  const ours = written((writer) =>
    writeNeighbourReplace(writer, {index: 4, ip: '10.244.104.9', mac: '66:2d:bf:44:a6:8b'}),
  );
  const theirs = unhex(`30000000 1c00 0505 a9f7066b 00000000  02000000 04000000 8000 00 00
    0800 0100 0af46809  0a00 0200 662dbf44a68b 0000`);
  t.strictSame(dissect(ours, 12, 'flat'), dissect(theirs, 12, 'flat'));
});

void t.test('bridge fdb replace 66:2d:bf:44:a6:8d dev 4 dst 10.95.1.12 self permanent', async (t) => {
  const ours = written((writer) => writeFdbReplace(writer, {index: 4, mac: '66:2d:bf:44:a6:8d', dst: '10.95.1.12'}));
  const theirs = unhex(`30000000 1c00 0505 a9f7066b 00000000  07000000 04000000 c000 02 00
    0a00 0200 662dbf44a68d 0000  0800 0100 0a5f010c`);
  t.strictSame(dissect(ours, 12, 'flat'), dissect(theirs, 12, 'flat'));
});

void t.test('ip rule add priority 98 not fwmark 0x100000/0x100000 lookup 4000', async (t) => {
  const ours = written((writer) =>
    writeRuleAdd(writer, {family: 4, priority: 98, invert: true, fwmark: 0x100000, fwmask: 0x100000, table: 4000}),
  );
  const theirs = unhex(`3c000000 2000 0506 a8f7066b 00000000  02 00 00 00 00 00 00 01 02000000
    0800 0600 62000000  0800 0a00 00001000  0800 1000 00001000  0800 0f00 a00f0000`);
  const ip = dissect(theirs, 12, 'flat');
  // We say who made the rule (boot) and mark a table beyond 255; `ip` leaves both to the kernel.
  t.strictSame(dissect(ours, 12, 'flat'), {
    ...ip,
    structure: '02000000fc00000102000000',
    attributes: [...ip.attributes, '21=03'].sort(),
  });
});

void t.test('the buffer grows under a large batch and keeps what was written', async (t) => {
  // Messages of several lengths, so that growth meets every place of a message.
  for (const extra of [{}, {metric: 1}, {metric: 1, mtu: 1400}, {gateway: 'fd00::1'}, {src: '10.0.0.1', table: 999}]) {
    const writer = new MessageWriter();
    writer.reset(1);
    const routes = Array.from({length: 3000}, (_, i) => ({dst: `10.1.${i >> 8}.${i & 255}/32`, oif: 9, ...extra}));
    for (const route of routes) writeRouteReplace(writer, route);
    const batch = Uint8Array.from(writer.finish());
    t.equal(writer.count, routes.length);
    const size = batch.length / routes.length;
    for (const [i, route] of routes.entries()) {
      const alone = dissect(
        written((single) => writeRouteReplace(single, route)),
        12,
        'route',
      );
      const together = dissect(batch.slice(i * size, (i + 1) * size), 12, 'route');
      if (JSON.stringify(together) !== JSON.stringify(alone)) t.strictSame(together, alone, route.dst);
    }
  }
});

void t.test('a message taken back leaves no trace', async (t) => {
  const writer = new MessageWriter();
  writer.reset(1);
  writeRouteReplace(writer, {dst: '10.0.0.1/32', oif: 1});
  t.throws(() => writeRouteReplace(writer, {dst: '10.0.0.2/32', gateway: '10.0.0'}), {code: 'E_BAD_ADDRESS'});
  writer.rollback();
  writeRouteReplace(writer, {dst: '10.0.0.3/32', oif: 1});
  const batch = Uint8Array.from(writer.finish());
  t.equal(writer.count, 2);
  const length = batch.length / 2;
  t.strictSame(dissect(batch.slice(length), 12, 'route').attributes, ['1=0a000003', '4=01000000']);
  t.equal(new DataView(batch.buffer).getUint32(length + 8, true), 2);
});

void t.test('what the kernel would misread is refused', async (t) => {
  const writer = new MessageWriter();
  writer.reset(1);
  for (const dst of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/x', 'fd00::/129', '10.0.0.0/-1'])
    t.throws(() => writeRouteReplace(writer, {dst}), {code: 'E_BAD_CIDR'}, dst);
  for (const dst of ['10.0.0/24', '010.0.0.1/32', '1.2.3.4.5/32', 'fd00:::/64', '/24', '::ffff:1.2.3/128'])
    t.throws(() => writeRouteReplace(writer, {dst}), {code: 'E_BAD_ADDRESS'}, dst);
  t.throws(() => writeNeighbourReplace(writer, {index: 1, ip: '10.0.0.1', mac: '66:2d:bf:44:a6'}), {
    code: 'E_BAD_ADDRESS',
  });
  t.throws(() => writeLinkCreate(writer, {name: 'a\0b', info: {kind: 'veth', peer: {name: 'c'}}}), {code: 'E_NETLINK'});
});
