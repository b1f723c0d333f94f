import t from 'tap';
import type {Link} from '../../../src/netlink/link.ts';
import {LinkTable, type LinkTableChange, silentlyLosesRoutes} from '../../../src/netlink/link-table.ts';
import {forAll} from '../../helpers/random.ts';

function link(index: number, name: string, up = true): Link {
  return {
    index,
    name,
    mac: '02:00:00:00:00:01',
    mtu: 1500,
    flags: up ? 0x41 : 0,
    up,
    running: up,
    loopback: false,
    operState: up ? 'up' : 'down',
    group: 0,
    master: undefined,
    parentIndex: undefined,
    parentNetnsId: undefined,
    txQueueLength: 1000,
    numTxQueues: 1,
    numRxQueues: 1,
    alias: undefined,
    info: {kind: 'veth'},
  };
}

const put = (table: LinkTable, ...args: Parameters<typeof link>) => table.apply({gone: false, link: link(...args)});
const text = (links: Iterable<Link>) =>
  [...links]
    .map((l) => `${l.name}#${l.index} ${l.up ? 'up' : 'down'}`)
    .sort()
    .join();
const told = (changes: readonly LinkTableChange[]) =>
  changes.map(({kind, link}) => `${kind} ${link.name}#${link.index}`);

void t.test('a link appears, changes, and vanishes', async (t) => {
  const table = new LinkTable();
  t.strictSame(told(put(table, 1, 'a')), ['appeared a#1']);
  t.strictSame(told(put(table, 1, 'a')), []);
  t.strictSame(told(put(table, 1, 'a', false)), ['changed a#1']);
  t.equal(table.byName('a')?.up, false);
  t.strictSame(told(table.apply({gone: true, link: link(1, 'a')})), ['vanished a#1']);
  t.strictSame(told(table.apply({gone: true, link: link(1, 'a')})), []);
  t.equal(table.size, 0);
});

void t.test('a renamed link is the old name gone and the new one there', async (t) => {
  const table = new LinkTable();
  put(table, 1, 'a');
  t.strictSame(told(put(table, 1, 'b')), ['vanished a#1', 'appeared b#1']);
  t.equal(table.byName('a'), undefined);
  t.equal(table.byName('b')?.index, 1);
});

void t.test('a link made again under its name is another one, whichever event comes first', async (t) => {
  const table = new LinkTable();
  put(table, 1, 'a');
  t.strictSame(told(put(table, 2, 'a')), ['vanished a#1', 'appeared a#2']);
  t.strictSame(told(table.apply({gone: true, link: link(1, 'a')})), []);
  t.equal(table.byName('a')?.index, 2);
});

void t.test('two links swap their names', async (t) => {
  const table = new LinkTable();
  put(table, 1, 'a');
  put(table, 2, 'b');
  put(table, 1, 'tmp');
  t.strictSame(told(put(table, 2, 'a')), ['vanished b#2', 'appeared a#2']);
  t.strictSame(told(put(table, 1, 'b')), ['vanished tmp#1', 'appeared b#1']);
});

void t.test('routes are lost when a link is set down or goes, and then only', async (t) => {
  const table = new LinkTable();
  t.notOk(put(table, 1, 'a', false).some(silentlyLosesRoutes));
  t.notOk(put(table, 1, 'a', true).some(silentlyLosesRoutes));
  t.ok(put(table, 1, 'a', false).some(silentlyLosesRoutes));
  t.ok(put(table, 2, 'a', true).some(silentlyLosesRoutes));
  const noCarrier = {...link(2, 'a'), flags: 0x1, running: false, operState: 'lower-layer-down' as const};
  t.notOk(table.apply({gone: false, link: noCarrier}).some(silentlyLosesRoutes), 'without carrier they stay, marked');
});

void t.test('a dump after lost events brings the same table as the events would have', async () => {
  await forAll(200, (random) => {
    const followed = new LinkTable();
    const resynced = new LinkTable();
    /** What a consumer knows from changes alone. */
    const known = new Map<string, number>();
    const kernel = new Map<number, Link>();
    for (let step = 0; step < 60; step++) {
      const index = random.between(1, 6);
      const name = random.pick(['a', 'b', 'c', 'd']);
      if (random.chance(0.3)) {
        const gone = kernel.get(index);
        if (gone === undefined) continue;
        kernel.delete(index);
        followed.apply({gone: true, link: gone});
      } else {
        if ([...kernel.values()].some((other) => other.name === name && other.index !== index)) continue;
        const made = link(index, name, random.chance());
        kernel.set(index, made);
        followed.apply({gone: false, link: made});
      }
      if (!random.chance(0.2)) continue;
      for (const change of resynced.replace(random.shuffle([...kernel.values()]))) {
        if (change.kind === 'vanished') known.delete(change.link.name);
        else known.set(change.link.name, change.link.index);
      }
      const wanted = text(kernel.values());
      for (const table of [followed, resynced]) {
        const got = text(table.links());
        if (got !== wanted) throw new Error(`table ${got}, kernel ${wanted}`);
        for (const l of kernel.values())
          if (table.byName(l.name)?.index !== l.index) throw new Error(`${l.name} is not ${l.index}`);
      }
      const names = [...known]
        .map(([name, index]) => `${name}#${index}`)
        .sort()
        .join();
      const kernelNames = [...kernel.values()]
        .map((l) => `${l.name}#${l.index}`)
        .sort()
        .join();
      if (names !== kernelNames) throw new Error(`consumer ${names}, kernel ${kernelNames}`);
    }
  });
});
