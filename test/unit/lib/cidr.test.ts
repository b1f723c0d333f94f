/**
 * Address arithmetic against an oracle that knows nothing of words: BigInt for the arithmetic, Node's own parser and the
 * text of RFC 5952 for the forms.
 */
import assert from 'node:assert/strict';
import {isIPv4, isIPv6} from 'node:net';
import t from 'tap';
import {
  addToIp,
  bitAt,
  bitsOf,
  type Cidr,
  cidrContains,
  cidrContainsIp,
  cidrOf,
  cidrSize,
  cidrsOverlap,
  compareCidr,
  compareIp,
  distanceOf,
  type Family,
  formatCidr,
  formatIp,
  hostCidr,
  type Ip,
  ipFromBytes,
  ipToBytes,
  maskIp,
  parseCidr,
  parseIp,
  parseIpWithPrefix,
  requireCidr,
  requireIp,
} from '../../../src/lib/cidr.ts';
import {hasCode} from '../../../src/lib/errors.ts';
import {formatIpAt, writeIpAt} from '../../../src/lib/ip-text.ts';
import {forAll, type Random} from '../../helpers/random.ts';

const RUNS = 3000;

// The oracle: an address is one BigInt.

const widthOf = (family: Family): bigint => (family === 4 ? 32n : 128n);
const toBig = (ip: Ip): bigint => ip.words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
const fromBig = (value: bigint, family: Family): Ip => {
  const wrapped = BigInt.asUintN(Number(widthOf(family)), value);
  const words: number[] = [];
  for (let shift = widthOf(family) - 32n; shift >= 0n; shift -= 32n)
    words.push(Number((wrapped >> shift) & 0xffffffffn));
  return {family, words};
};
const bigMask = (value: bigint, length: number, family: Family): bigint => {
  const host = widthOf(family) - BigInt(length);
  return (value >> host) << host;
};

/** Addresses with long runs of zeros and ones, where carries and shortening happen, as well as arbitrary ones. */
function randomIp(random: Random, family: Family = random.pick([4, 6])): Ip {
  const words = Array.from({length: family === 4 ? 1 : 4}, () =>
    random.pick([0, 0xffffffff, 1, 0xffff, 0xffff0000, 0x80000000, random.below(2 ** 32), random.below(2 ** 32)]),
  );
  return {family, words};
}

const randomLength = (random: Random, family: Family): number =>
  random.pick([0, bitsOf(family), 32, random.between(0, bitsOf(family))]);

void t.test('canonical text of known vectors', async (t) => {
  const vectors: readonly (readonly [string, string])[] = [
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['10.65.0.1', '10.65.0.1'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    // RFC 5952 section 4
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::AbCd', '2001:db8::abcd'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['0:0:1:0:0:0:1:0', '0:0:1::1:0'],
    // IPv4 inside IPv6: dotted for mapped addresses only
    ['::ffff:10.65.0.1', '::ffff:10.65.0.1'],
    ['::FFFF:0a41:0001', '::ffff:10.65.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::10.0.0.1', '::a00:1'],
    ['::ffff:0:10.0.0.1', '::ffff:0:a00:1'],
    ['0:0:0:0:1:ffff:1:1', '::1:ffff:1:1'],
    // forms seen in Calico's data
    ['fd00:10:65::0', 'fd00:10:65::'],
    ['fd00:10:65:0:1::a', 'fd00:10:65:0:1::a'],
    ['fe80::ecee:eeff:feee:eeee', 'fe80::ecee:eeff:feee:eeee'],
  ];
  for (const [text, canonical] of vectors) {
    const ip = requireIp(text);
    t.equal(formatIp(ip), canonical, text);
    t.same(parseIp(canonical), ip, canonical);
  }
});

void t.test('what is not an address is refused', async (t) => {
  const refused = [
    '', ' ', '10', '10.1', '10.0.0', '10.0.0.256', '10.0.0.01', '010.0.0.1', '0x0a.0.0.1', '10.0.0.1.', '.10.0.0.1', '10..0.1',
    '10.0.0.1 ', ' 10.0.0.1', '10.0.0.-1', '10.0.0.1e1', '1.2.3.4.5', '1.2.3.4/24', '+1.2.3.4', '１.2.3.4', '10.0.0.1\n', '999999999999999',
    ':', ':::', '::1::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8', '1:2:3:4::5:6:7:8', ':1::', '1:::2',
    '1:2:3:4:5:6:7:', '12345::', '00001::', 'g::', 'fe80::1%eth0', '::1/64', '[::1]', '::ffff:10.0.0', '::ffff:10.0.0.256', '::ffff:010.0.0.1',
    '::10.0.0.1:1', '1:2:3:4:5:6:7:1.2.3.4', '10.0.0.1::', '::a.0.0.1', '::1 ', '１::',
  ]; // biome-ignore format: one kind of mistake after the other
  for (const text of refused) {
    t.equal(parseIp(text), undefined, JSON.stringify(text));
    t.equal(writeIpAt(text, new Uint8Array(16), 0), 0, JSON.stringify(text));
    t.throws(() => requireIp(text), {code: 'E_BAD_ADDRESS'});
  }
  t.equal(writeIpAt('::1', new Uint8Array(16), 0, 1), 0, 'what follows the given length does not count');
  const long = '1'.repeat(10_000);
  try {
    requireIp(long);
    t.fail('accepted');
  } catch (error) {
    t.ok(hasCode(error, 'E_BAD_ADDRESS') && String(error).length < 200, 'a long value is clipped');
  }
});

void t.test('the parser accepts exactly what Node accepts, without zones', () =>
  forAll(RUNS, (random) => {
    const parts = [
      '0',
      '1',
      'ff',
      'FFFF',
      '255',
      '256',
      '01',
      '10',
      ':',
      ':',
      ':',
      '::',
      '.',
      '.',
      'g',
      '%',
      '12345',
      '',
    ];
    const isV4Like = random.chance(0.3);
    const text = isV4Like
      ? Array.from({length: random.between(3, 5)}, () => random.pick(['0', '1', '10', '255', '256', '00', ''])).join(
          '.',
        )
      : Array.from({length: random.between(1, 17)}, () => random.pick(parts)).join('');
    const ip = parseIp(text);
    const accepted = isIPv4(text) ? 4 : isIPv6(text) && !text.includes('%') ? 6 : undefined;
    if (ip?.family !== accepted) throw new Error(`${text}: parsed as ${ip?.family}, is ${accepted}`);
  }),
);

void t.test('mutations of valid IPv6 text are judged as Node judges them', () =>
  forAll(RUNS, (random) => {
    const chars = formatIp(randomIp(random, 6)).split('');
    for (let edits = random.below(3); edits > 0; edits--) {
      chars.splice(
        random.below(chars.length + 1),
        random.below(2),
        random.pick([':', '0', 'f', '.', '::', '1.2.3.4', '']),
      );
    }
    const text = chars.join('');
    const accepted = isIPv4(text) || isIPv6(text);
    if ((parseIp(text) !== undefined) !== accepted) throw new Error(`${text}: should be ${accepted}`);
  }),
);

void t.test('text, words and bytes are the same address', () =>
  forAll(RUNS, (random) => {
    const ip = randomIp(random);
    const text = formatIp(ip);
    assert.deepEqual(parseIp(text), ip, text);
    assert.deepEqual(ipFromBytes(ipToBytes(ip), ip.family), ip);

    const offset = random.below(5);
    const bytes = new Uint8Array(offset + bitsOf(ip.family) / 8 + 3).fill(0xa5);
    const isPart = random.chance();
    const written = isPart
      ? writeIpAt(`${text}${random.pick(['/24', ':', '.', '1'])}`, bytes, offset, text.length)
      : writeIpAt(text, bytes, offset);
    assert.equal(written, bitsOf(ip.family) / 8);
    assert.equal(formatIpAt(bytes, offset, ip.family), text);
    assert.deepEqual(ipFromBytes(bytes, ip.family, offset), ip);
    assert.deepEqual(bytes.subarray(offset, -3), ipToBytes(ip));
    assert.ok(
      bytes.subarray(0, offset).every((byte) => byte === 0xa5) && bytes.subarray(-3).every((byte) => byte === 0xa5),
      'nothing around it is touched',
    );
  }),
);

void t.test('any spelling of an IPv6 address gives the same canonical text', () =>
  forAll(RUNS, (random) => {
    const ip = randomIp(random, 6);
    const spelled = ip.words
      .flatMap((word) => [word >>> 16, word & 0xffff])
      .map((group) => {
        const hex = group.toString(16).padStart(random.between(1, 4), '0');
        return random.chance() ? hex.toUpperCase() : hex;
      })
      .join(':');
    assert.equal(formatIp(requireIp(spelled)), formatIp(ip), spelled);
    assert.ok(isIPv6(formatIp(ip)));
    // The shortest text: no run of zero groups is longer than the one that was shortened, and earlier ones win.
    const canonical = formatIp(ip);
    assert.doesNotMatch(canonical, /(^|:)0[0-9a-f]|[A-Z]/, 'no leading zeros, lower case');
    const [head = '', tail] = canonical.split('::');
    const longest = (part: string) =>
      Math.max(0, ...(part.match(/(?:(?<=^|:)0(?::|$))+/g) ?? []).map((run) => run.split('0').length - 1));
    if (tail === undefined) assert.ok(longest(canonical) < 2, canonical);
    else if (!canonical.includes('.')) {
      const shown = (part: string) => (part === '' ? 0 : part.split(':').length);
      const gap = 8 - shown(head) - shown(tail);
      assert.ok(gap >= 2 && longest(head) < gap && longest(tail) <= gap, canonical);
    }
  }),
);

void t.test('order, distance and addition agree with the oracle, around the ends too', () =>
  forAll(RUNS, (random) => {
    const family: Family = random.pick([4, 6]);
    const a = randomIp(random, family);
    const offset = random.pick([
      0,
      1,
      -1,
      255,
      -256,
      2 ** 32,
      -(2 ** 32),
      2 ** 53 - 1,
      1 - 2 ** 53,
      random.between(-1e6, 1e6),
      random.below(2 ** 53),
    ]);
    const sum = addToIp(a, offset);
    assert.deepEqual(sum, fromBig(toBig(a) + BigInt(offset), family), `${formatIp(a)} + ${offset}`);
    assert.deepEqual(addToIp(sum, -offset), a, 'and back');

    const b = random.chance() ? sum : randomIp(random, family);
    const difference = toBig(a) - toBig(b);
    assert.equal(Math.sign(compareIp(a, b)), difference > 0n ? 1 : difference < 0n ? -1 : 0);
    const size = difference < 0n ? -difference : difference;
    if (size <= 2n ** 53n) assert.equal(distanceOf(a, b), Number(difference), `${formatIp(a)} - ${formatIp(b)}`);
    const other = randomIp(random, family === 4 ? 6 : 4);
    assert.equal(Math.sign(compareIp(a, other)), family === 4 ? -1 : 1, 'IPv4 sorts before IPv6');
  }),
);

void t.test('masks, bits and networks agree with the oracle', () =>
  forAll(RUNS, (random) => {
    const family: Family = random.pick([4, 6]);
    const ip = randomIp(random, family);
    const length = randomLength(random, family);
    const masked = bigMask(toBig(ip), length, family);
    assert.deepEqual(maskIp(ip, length), fromBig(masked, family), `${formatIp(ip)}/${length}`);
    const index = random.below(bitsOf(family));
    assert.equal(bitAt(ip, index), Number((toBig(ip) >> (widthOf(family) - 1n - BigInt(index))) & 1n));

    const cidr = cidrOf(ip, length);
    assert.equal(cidrSize(cidr), Number(1n << (widthOf(family) - BigInt(length))));
    assert.deepEqual(parseCidr(formatCidr(cidr)), cidr);
    assert.deepEqual(parseCidr(`${formatIp(ip)}/${length}`), cidr, 'host bits are cleared');
    assert.deepEqual(parseIpWithPrefix(`${formatIp(ip)}/${length}`), {ip, length}, 'host bits are kept');

    const near = addToIp(cidr.ip, random.pick([-1, 0, random.below(2 ** 32), Math.min(cidrSize(cidr), 2 ** 53 - 1)]));
    assert.equal(
      cidrContainsIp(cidr, near),
      bigMask(toBig(near), length, family) === masked,
      `${formatCidr(cidr)} ${formatIp(near)}`,
    );
    assert.ok(!cidrContainsIp(cidr, randomIp(random, family === 4 ? 6 : 4)), 'never across families');
  }),
);

void t.test('containment and overlap of networks agree with their ranges', () =>
  forAll(RUNS, (random) => {
    const family: Family = random.pick([4, 6]);
    const a = cidrOf(randomIp(random, family), randomLength(random, family));
    const b = cidrOf(
      random.chance(0.7) ? addToIp(a.ip, random.between(-3, 3)) : randomIp(random, family),
      randomLength(random, family),
    );
    const range = (cidr: Cidr) => {
      const first = toBig(cidr.ip);
      return {first, last: first + (1n << (widthOf(family) - BigInt(cidr.length))) - 1n};
    };
    const [ra, rb] = [range(a), range(b)];
    const text = `${formatCidr(a)} ${formatCidr(b)}`;
    assert.equal(cidrContains(a, b), ra.first <= rb.first && rb.last <= ra.last, text);
    assert.equal(cidrsOverlap(a, b), ra.first <= rb.last && rb.first <= ra.last, text);
    const byLength = Math.sign(a.length - b.length);
    assert.equal(Math.sign(compareCidr(a, b)), ra.first === rb.first ? byLength : ra.first < rb.first ? -1 : 1, text);
    assert.equal(compareCidr(a, b) === 0, formatCidr(a) === formatCidr(b), text);
  }),
);

void t.test('networks from text', async (t) => {
  t.same(parseCidr('10.65.0.1'), hostCidr(requireIp('10.65.0.1')), 'a bare address is a host');
  t.same(parseCidr('::1'), hostCidr(requireIp('::1')));
  t.equal(formatCidr(requireCidr('10.65.3.77/16')), '10.65.0.0/16');
  t.equal(formatCidr(requireCidr('FD00:10:0065::1/122')), 'fd00:10:65::/122');
  t.equal(formatCidr(requireCidr('1.2.3.4/0')), '0.0.0.0/0');
  for (const text of [
    '',
    '/',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/+8',
    '10.0.0.0/+8',
    '10.0.0.0/8 ',
    '10.0.0.0/8/8',
    '10.0.0.0/1e1',
    '::/129',
    '::/1000',
    '/8',
    '10.0/8',
  ]) {
    t.equal(parseCidr(text), undefined, JSON.stringify(text));
    t.throws(() => requireCidr(text), {code: 'E_BAD_CIDR'});
  }
});
