import t from 'tap';
import {BlockOrder, fnv1} from '../../../src/ipam/block-order.ts';
import {NO_RESERVATIONS, Reservations} from '../../../src/ipam/reservations.ts';
import {formatCidr, requireCidr} from '../../../src/lib/cidr.ts';

const walk = (pool: string, size: number, host: string, reservations = NO_RESERVATIONS): string[] =>
  [...new BlockOrder(requireCidr(pool), size, host).walk(reservations)].map(formatCidr);

void t.test('FNV-1 as Calico hashes host names', async (t) => {
  t.equal(fnv1('node1'), 3957252814);
  t.equal(fnv1(''), 0x811c9dc5);
});

void t.test('each block once, ascending from a place of the host, around the end', async (t) => {
  const blocks = walk('10.0.0.0/24', 28, 'node1');
  t.equal(new Set(blocks).size, 16);
  const start = Number((blocks[0] ?? '').split(/[./]/)[3]) / 16;
  t.same(
    blocks,
    Array.from({length: 16}, (_, i) => `10.0.0.${((start + i) % 16) * 16}/28`),
  );
  t.same(walk('10.0.0.0/24', 28, 'node1'), blocks, 'the order of a host never changes');
  const starts = new Set(Array.from({length: 40}, (_, i) => walk('10.0.0.0/24', 28, `host-${i}`)[0]));
  t.ok(starts.size > 8, 'hosts begin in different places');
});

void t.test('where Calico begins', async (t) => {
  const first = (pool: string, size: number, host: string) => {
    for (const cidr of new BlockOrder(requireCidr(pool), size, host).walk(NO_RESERVATIONS)) return formatCidr(cidr);
    return undefined;
  };
  t.equal(first('10.244.0.0/16', 26, 'node1'), '10.244.166.128/26');
  t.equal(first('10.244.0.0/16', 26, 'node2'), '10.244.104.0/26');
  t.equal(first('fd10:244::/64', 122, 'node1'), 'fd10:244::c11:b42f:f17e:a680/122');
  t.equal(first('fd10:244::/64', 122, 'node2'), 'fd10:244::d460:b250:45:b00/122');
});

void t.test('edges: a pool of one block, a pool smaller than a block, blocks of one address', async (t) => {
  t.same(walk('10.0.0.0/26', 26, 'a'), ['10.0.0.0/26']);
  t.same(walk('10.0.0.0/28', 26, 'a'), []);
  t.same(walk('10.0.0.0/30', 32, 'a').sort(), ['10.0.0.0/32', '10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32']);
});

void t.test('reserved parts of a huge pool are stepped over, not counted through', async (t) => {
  const pool = requireCidr('fd00::/48');
  const order = new BlockOrder(pool, 122, 'node1');
  // Everything but the last block: 2^74 - 1 blocks that must not be visited one by one.
  const reserved = Array.from({length: 74}, (_, i) => {
    const words = [0xfd000000, 0, 0, 0];
    for (let bit = 48; bit < 48 + i; bit++) {
      const word = bit >>> 5;
      words[word] = ((words[word] ?? 0) | (1 << (31 - (bit & 31)))) >>> 0;
    }
    return {ip: {family: 6 as const, words}, length: 49 + i};
  });
  t.same([...order.walk(new Reservations(reserved))].map(formatCidr), ['fd00::ffff:ffff:ffff:ffff:ffc0/122']);
  t.same([...order.walk(Reservations.parse(['fd00::/32']))], []);
});

void t.test('the place of a block is where the walk meets it', async (t) => {
  for (const [pool, size] of [
    ['10.0.0.0/22', 28],
    ['fd00::/118', 124],
  ] as const) {
    const order = new BlockOrder(requireCidr(pool), size, 'some-host');
    let place = 0n;
    for (const block of order.walk(NO_RESERVATIONS)) t.equal(order.placeOf(block), place++);
  }
});
