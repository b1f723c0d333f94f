import t from 'tap';
import {
  addressAt,
  allocate,
  collectCooled,
  free,
  freeOrdinals,
  isEmpty,
  newBlock,
  nextVersion,
  type Owner,
  occupancyOf,
  ordinalOf,
  ordinalsOf,
} from '../../../src/ipam/block.ts';
import {formatIp, requireIp} from '../../../src/lib/cidr.ts';
import type {Block} from '../../../src/model/ipam-records.ts';
import {decodeBlock, encodeBlock} from '../../../src/model/ipam-records.ts';
import {forAll} from '../../helpers/random.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const AT_ONCE = {seconds: 0, nowMs: NOW_MS};
const nothingReserved = () => false;
const owner = (handleId: string, attributes: Readonly<Record<string, string>> = {node: 'n'}): Owner => ({
  handleId,
  attributes: new Map(Object.entries(attributes)),
});
const take = (block: Block, count: number, who: Owner): Block =>
  nextVersion(allocate(block, freeOrdinals(block, nothingReserved).slice(0, count), who));
const view = (block: Block) => ({
  allocations: block.allocations,
  unallocated: block.unallocated,
  handles: block.attributes.map(({handleId}) => handleId),
  numbers: new Map([...block.sequenceNumberForAllocation].map(([i, n]) => [i, Number(n - START)])),
  number: Number(block.sequenceNumber - START),
});
const START = newBlock('10.65.0.0/29', 'host:node1', NOW_MS).sequenceNumber;

void t.test('the life of a block, step by step as documented', async (t) => {
  const _ = null;
  let block = newBlock('10.65.0.0/29', 'host:node1', NOW_MS);
  t.same(view(block), {
    allocations: [_, _, _, _, _, _, _, _],
    unallocated: [0, 1, 2, 3, 4, 5, 6, 7],
    handles: [],
    numbers: new Map(),
    number: 0,
  });
  block = take(block, 1, owner('h1'));
  block = take(block, 1, owner('h2'));
  t.same(view(block), {
    allocations: [0, 1, _, _, _, _, _, _],
    unallocated: [2, 3, 4, 5, 6, 7],
    handles: ['h1', 'h2'],
    numbers: new Map([
      [0, 0],
      [1, 1],
    ]),
    number: 2,
  });
  block = nextVersion(free(block, ordinalsOf(block, 'h1'), AT_ONCE));
  t.same(view(block), {
    allocations: [_, 0, _, _, _, _, _, _],
    unallocated: [2, 3, 4, 5, 6, 7, 0],
    handles: ['h2'],
    numbers: new Map([[1, 1]]),
    number: 3,
  });
  block = take(block, 1, owner('h3'));
  t.same(ordinalsOf(block, 'h3'), [2], 'a released address rests: the queue is first in, first out');
});

void t.test('reserved ordinals are stepped over and keep their place in the queue', async (t) => {
  const block = newBlock('10.0.0.0/29', 'host:a', NOW_MS);
  const reserved = new Set(['10.0.0.0', '10.0.0.2']);
  const ordinals = freeOrdinals(block, (ip) => reserved.has(formatIp(ip))).slice(0, 2);
  t.same(ordinals, [1, 3]);
  t.same(allocate(block, ordinals, owner('h')).unallocated, [0, 2, 4, 5, 6, 7]);
});

void t.test('equal owners share an attribute; any difference makes another', async (t) => {
  let block = newBlock('10.0.0.0/29', 'host:a', NOW_MS);
  block = take(block, 2, owner('h', {node: 'n', pod: 'p'}));
  block = take(block, 1, owner('h', {pod: 'p', node: 'n'}));
  t.equal(block.attributes.length, 1);
  block = take(block, 1, owner('h', {node: 'n', pod: 'q'}));
  block = take(block, 1, owner('h2', {node: 'n', pod: 'p'}));
  block = take(block, 1, {attributes: new Map([['node', 'n']])});
  t.equal(block.attributes.length, 4);
  t.same(ordinalsOf(block, 'h'), [0, 1, 2, 3]);
});

void t.test('an attribute named __proto__ is data', async (t) => {
  const block = take(newBlock('10.0.0.0/31', 'host:a', NOW_MS), 1, {
    handleId: 'h',
    attributes: new Map([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]),
  });
  const again = decodeBlock(encodeBlock(block));
  t.equal(again.attributes[0]?.secondary.get('__proto__'), 'x');
  t.equal(
    take(again, 1, {
      handleId: 'h',
      attributes: new Map([
        ['constructor', 'y'],
        ['__proto__', 'x'],
      ]),
    }).attributes.length,
    1,
  );
});

void t.test('several addresses go to the tail in the order of the request', async (t) => {
  const block = take(newBlock('10.0.0.0/29', 'host:a', NOW_MS), 8, owner('h'));
  t.same(free(block, [6, 3, 5, 6, 7], AT_ONCE).unallocated, [6, 3, 5, 7]);
});

void t.test('freeing what is free changes nothing', async (t) => {
  const block = take(newBlock('10.0.0.0/29', 'host:a', NOW_MS), 1, owner('h'));
  t.equal(free(block, [3, 5], AT_ONCE), block);
});

void t.test('cooldown: neither free nor owned, then free', async (t) => {
  const cooldown = {seconds: 60, nowMs: NOW_MS};
  let block = take(newBlock('10.0.0.0/30', 'host:a', NOW_MS), 2, owner('h'));
  block = free(block, [0], cooldown);
  t.same(occupancyOf(block, 0), {kind: 'cooling', releasedAt: '2026-01-01T00:00:00Z'});
  t.same(ordinalsOf(block, 'h'), [1]);
  t.same(freeOrdinals(block, nothingReserved), [2, 3]);
  t.equal(free(block, [0], cooldown), block, 'a second release finds nothing');
  block = free(block, [1], cooldown);
  t.equal(isEmpty(block), false, 'a cooling address keeps its block');
  t.equal(collectCooled(block, {...cooldown, nowMs: NOW_MS + 60_000}), block, 'not before the time is over');
  const cooled = collectCooled(block, {...cooldown, nowMs: NOW_MS + 60_001});
  t.same([cooled.unallocated, cooled.attributes, isEmpty(cooled)], [[2, 3, 0, 1], [], true]);
  t.same(collectCooled(block, AT_ONCE).unallocated, [2, 3, 0, 1], 'cooldown switched off');
});

void t.test('what Windows reserves is known: not in use, and not handed out', async (t) => {
  const reserved = owner('windows-reserved-ipam-handle', {note: 'windows host rsvd'});
  const block = nextVersion(allocate(newBlock('10.0.0.0/29', 'host:w', NOW_MS), [0, 1, 2, 7], reserved));
  t.equal(isEmpty(block), true);
  t.same(freeOrdinals(block, nothingReserved), [3, 4, 5, 6]);
  t.equal(isEmpty(take(block, 1, owner('h'))), false);
});

void t.test('handles compare up to a carriage return', async (t) => {
  const block = take(newBlock('10.0.0.0/31', 'host:w', NOW_MS), 1, owner('h\r\n'));
  t.same(ordinalsOf(block, 'h'), [0]);
});

void t.test('a block that contradicts itself gives nobody an address twice', async (t) => {
  const block = take(newBlock('10.0.0.0/30', 'host:a', NOW_MS), 2, owner('h'));
  const torn: Block = {...block, unallocated: [1, 2, 0, 3]};
  t.same(freeOrdinals(torn, nothingReserved), [2, 3]);
  t.throws(() => allocate(torn, [1], owner('x')), /not free/);
  t.same(free(torn, [1], AT_ONCE).unallocated, [1, 2, 0, 3], 'and none is queued twice');
});

void t.test('addresses and ordinals, both families, any block size', async (t) => {
  for (const [cidr, size, last] of [
    ['10.0.0.0/20', 4096, '10.0.15.255'],
    ['10.0.0.7/32', 1, '10.0.0.7'],
    ['fd00::/116', 4096, 'fd00::fff'],
    ['fd00::7/128', 1, 'fd00::7'],
  ] as const) {
    const block = newBlock(cidr, 'host:a', NOW_MS);
    t.equal(block.allocations.length, size);
    t.equal(formatIp(addressAt(block, size - 1)), last);
    t.equal(ordinalOf(block, requireIp(last)), size - 1);
    t.equal(ordinalOf(block, requireIp('11.0.0.0')), undefined);
  }
});

void t.test('random lives: every ordinal is free or taken, owners are compact, storing loses nothing', async () => {
  await forAll(60, (random) => {
    const size = random.pick([29, 28, 27]);
    let block = newBlock(`10.0.0.0/${size}`, 'host:a', NOW_MS);
    const owners = new Map<number, string>();
    let nowMs = NOW_MS;
    const seconds = random.pick([0, 0, 5]);
    for (let step = 0; step < 120; step++) {
      nowMs += random.below(3000);
      const cooldown = {seconds, nowMs};
      block = collectCooled(block, cooldown);
      if (random.chance(0.55)) {
        const handle = `h${random.below(6)}`;
        const ordinals = freeOrdinals(block, nothingReserved).slice(0, random.between(1, 3));
        block = allocate(block, ordinals, owner(handle));
        for (const ordinal of ordinals) {
          if (owners.has(ordinal)) throw new Error(`ordinal ${ordinal} was handed out twice`);
          owners.set(ordinal, handle);
        }
      } else {
        const ordinals = random.shuffle([...owners.keys()]).slice(0, random.between(1, 3));
        block = free(block, ordinals, cooldown);
        for (const ordinal of ordinals) owners.delete(ordinal);
      }
      block = decodeBlock(encodeBlock(nextVersion(block)));
      checkBlock(block, owners);
    }
  });
});

function checkBlock(block: Block, owners: ReadonlyMap<number, string>): void {
  const queued = new Set(block.unallocated);
  if (queued.size !== block.unallocated.length) throw new Error('an ordinal is queued twice');
  const used = new Set<number>();
  block.allocations.forEach((index, ordinal) => {
    if ((index === null) !== queued.has(ordinal)) throw new Error(`ordinal ${ordinal} is free and taken, or neither`);
    if (index !== null) used.add(index);
    const occupancy = occupancyOf(block, ordinal);
    const handle = occupancy.kind === 'owned' ? occupancy.handleId : undefined;
    if (handle !== owners.get(ordinal)) throw new Error(`ordinal ${ordinal} belongs to ${handle}`);
    if (block.sequenceNumberForAllocation.has(ordinal) !== (occupancy.kind === 'owned'))
      throw new Error(`the sequence number of ordinal ${ordinal} is wrong`);
  });
  if (used.size !== block.attributes.length) throw new Error('an attribute without an address is kept');
}
