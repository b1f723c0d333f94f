/** The trie against a list that is searched from end to end. */
import assert from 'node:assert/strict';
import t from 'tap';
import {
  bitsOf,
  type Cidr,
  cidrContains,
  cidrContainsIp,
  cidrOf,
  compareCidr,
  type Family,
  formatCidr,
  type Ip,
  requireCidr,
  requireIp,
} from '../../../src/lib/cidr.ts';
import {type PrefixEntry, PrefixTrie} from '../../../src/lib/prefix-trie.ts';
import {liveHeapBytes} from '../../helpers/heap.ts';
import {forAll, type Random} from '../../helpers/random.ts';

class Model {
  readonly #entries = new Map<string, PrefixEntry<number>>();

  set(cidr: Cidr, value: number): void {
    this.#entries.set(formatCidr(cidr), {cidr, value});
  }

  delete(cidr: Cidr): boolean {
    return this.#entries.delete(formatCidr(cidr));
  }

  /** Entries that `test` holds for, by address, wider ones first. */
  select(test: (cidr: Cidr) => boolean): PrefixEntry<number>[] {
    const all = [...this.#entries.values()];
    return all.filter(({cidr}) => test(cidr)).sort((a, b) => compareCidr(a.cidr, b.cidr));
  }
}

/** Few distinct bits, so that prefixes nest, meet and repeat. */
function randomIp(random: Random, family: Family): Ip {
  const word = () =>
    random.pick([0, 0xffffffff, 0x80000000, 0x0a410000 + random.below(4), random.below(4) * 0x40000000]);
  return {family, words: Array.from({length: family === 4 ? 1 : 4}, word)};
}

function randomCidr(random: Random): Cidr {
  const family = random.pick([4, 6] as const);
  const bits = bitsOf(family);
  const length = random.pick([0, 1, 2, 31, 32, bits - 1, bits, random.between(0, bits)]);
  return cidrOf(randomIp(random, family), length);
}

const text = (entries: Iterable<PrefixEntry<number>>): string[] =>
  Array.from(entries, ({cidr, value}) => `${formatCidr(cidr)}=${value}`);

void t.test('every answer equals that of the list, after any sets and deletes', () =>
  forAll(200, (random) => {
    const trie = new PrefixTrie<number>();
    const model = new Model();
    const known: Cidr[] = [];
    for (let step = 0; step < 150; step++) {
      const cidr = known.length > 0 && random.chance(0.5) ? random.pick(known) : randomCidr(random);
      known.push(cidr);
      if (random.chance(step < 100 ? 0.65 : 0.3)) {
        trie.set(cidr, step);
        model.set(cidr, step);
      } else assert.equal(trie.delete(cidr), model.delete(cidr), formatCidr(cidr));

      const asked = random.chance() ? random.pick(known) : randomCidr(random);
      const own = model.select((c) => formatCidr(c) === formatCidr(asked))[0];
      assert.equal(trie.get(asked), own?.value);
      assert.equal(trie.has(asked), own !== undefined);
      const where = formatCidr(asked);
      assert.deepEqual(
        text(trie.covering(asked)),
        text(model.select((c) => cidrContains(c, asked))),
        `covering ${where}`,
      );
      assert.deepEqual(
        text(trie.coveredBy(asked)),
        text(model.select((c) => cidrContains(asked, c))),
        `covered by ${where}`,
      );
      const ip = random.chance() ? asked.ip : randomIp(random, asked.ip.family);
      assert.deepEqual(trie.longestMatch(ip), model.select((c) => cidrContainsIp(c, ip)).at(-1));
      assert.equal(trie.size, model.select(() => true).length);
    }
    assert.deepEqual(text(trie.entries()), text(model.select(() => true)));
    for (const cidr of random.shuffle(known)) trie.delete(cidr);
    assert.equal(trie.size, 0);
    assert.deepEqual(text(trie.entries()), []);
    assert.deepEqual(text(trie.coveredBy(requireCidr('0.0.0.0/0'))), [], 'no empty branch is left to walk');
  }),
);

void t.test('the questions it is there for', async (t) => {
  const trie = new PrefixTrie<string>();
  for (const [cidr, value] of [
    ['10.65.0.0/16', 'pool'],
    ['10.65.1.0/26', 'block'],
    ['10.65.1.7/32', 'borrowed'],
    ['fd00::/48', 'pool6'],
    ['0.0.0.0/0', 'default'],
  ] as const) {
    trie.set(requireCidr(cidr), value);
  }
  const best = (ip: string) => trie.longestMatch(requireIp(ip))?.value;
  t.equal(best('10.65.1.7'), 'borrowed');
  t.equal(best('10.65.1.8'), 'block');
  t.equal(best('10.65.2.1'), 'pool');
  t.equal(best('192.0.2.1'), 'default');
  t.equal(best('fd00::1'), 'pool6');
  t.equal(best('fe80::1'), undefined, 'the IPv4 default is not one for IPv6');
  t.same(
    trie.covering(requireCidr('10.65.1.7/32')).map((entry) => entry.value),
    ['default', 'pool', 'block', 'borrowed'],
  );
  t.same(
    Array.from(trie.coveredBy(requireCidr('10.65.0.0/16')), (entry) => entry.value),
    ['pool', 'block', 'borrowed'],
  );
  trie.set(requireCidr('10.65.0.0/16'), 'again');
  t.equal(trie.size, 5);
  trie.clear();
  t.equal(trie.size, 0);
  t.equal(best('10.65.1.7'), undefined);
});

void t.test('what was deleted leaves no node behind', async (t) => {
  const trie = new PrefixTrie<number>();
  const hosts = (round: number) =>
    Array.from({length: 2000}, (_, i) => requireCidr(`fd00::${round.toString(16)}:${i.toString(16)}`));
  const cycle = (round: number) => {
    for (const cidr of hosts(round)) trie.set(cidr, 0);
    for (const cidr of hosts(round)) trie.delete(cidr);
  };
  cycle(0);
  const before = liveHeapBytes();
  for (let round = 1; round <= 25; round++) cycle(round);
  const grownBytes = liveHeapBytes() - before;
  t.ok(grownBytes < 2 ** 20, `50,000 entries came and went, the heap grew by ${grownBytes} bytes`);
});

void t.test('a value of undefined is an entry', async (t) => {
  const trie = new PrefixTrie<undefined>();
  trie.set(requireCidr('10.0.0.0/8'), undefined);
  t.ok(trie.has(requireCidr('10.0.0.0/8')));
  t.ok(trie.longestMatch(requireIp('10.1.1.1')));
  t.ok(trie.delete(requireCidr('10.0.0.0/8')));
});
