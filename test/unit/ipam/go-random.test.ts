import t from 'tap';
import {GoRandom} from '../../../src/ipam/go-random.ts';
import {SEED_STATE_BASE64} from '../../../src/ipam/go-random-table.ts';

void t.test('the numbers that Go draws', async (t) => {
  const random = new GoRandom(1);
  const mask = (1n << 63n) - 1n;
  t.same([random.uint64() & mask, random.uint64() & mask], [5577006791947779410n, 8674665223082153551n]);
  t.equal(new GoRandom(0).uint64(), new GoRandom(2 ** 31 - 1).uint64(), 'the modulus is a seed like zero');
});

void t.test('numbers below a limit, also one of more than 64 bits', async (t) => {
  const random = new GoRandom(7);
  for (const limit of [1n, 3n, 1024n, 2n ** 58n, 2n ** 64n, 2n ** 74n])
    for (let i = 0; i < 20; i++) {
      const drawn = random.below(limit);
      t.ok(drawn >= 0n && drawn < limit, `${drawn} below ${limit}`);
    }
});

/**
 * The table is the state after N = 7.8 * 10^12 steps from seed 1. The step is linear, so the state after N steps is a
 * fixed combination of the first one: the remainder of x^N divided by x^607 - x^334 - 1, all modulo 2^64.
 */
void t.test('the table is what the recurrence arrives at', async (t) => {
  const length = 607;
  const steps = 7_800_000_000_000n;
  const first = firstState();
  // Value number m of the sequence, from -606 to 0, lies at place 334 - m of the state.
  const sequence = Array.from({length}, (_, i) => first[(334 - (i - 606)) % length] ?? 0n);
  let power = remainderOfPower(steps, length);
  const table = Buffer.from(SEED_STATE_BASE64, 'base64');
  for (let i = 0; i < length; i++) {
    const value = BigInt.asUintN(
      64,
      power.reduce((sum, factor, k) => sum + factor * (sequence[k] ?? 0n), 0n),
    );
    const place = Number((BigInt(334 + length) - ((steps - 606n + BigInt(i)) % BigInt(length))) % BigInt(length));
    if (value !== table.readBigUInt64LE(place * 8)) t.fail(`number ${place} is ${value}`);
    power = reduce([0n, ...power], length);
  }
  t.equal(table.length, length * 8);
});

function firstState(): bigint[] {
  let x = 1;
  const next = (): bigint => {
    x = (x * 48271) % 0x7fffffff;
    return BigInt(x);
  };
  for (let i = 0; i < 20; i++) next();
  return Array.from({length: 607}, () => (next() << 20n) ^ (next() << 10n) ^ next());
}

function remainderOfPower(exponent: bigint, length: number): bigint[] {
  let result: bigint[] = [1n, ...Array.from({length: length - 1}, () => 0n)];
  for (const bit of exponent.toString(2)) {
    result = multiply(result, result, length);
    if (bit === '1') result = reduce([0n, ...result], length);
  }
  return result;
}

/** Both polynomials as one large number each, a coefficient every 160 bits: one product instead of 607 * 607. */
function multiply(a: readonly bigint[], b: readonly bigint[], length: number): bigint[] {
  const pack = (factors: readonly bigint[]): bigint =>
    BigInt(
      `0x${[...factors]
        .reverse()
        .map((factor) => factor.toString(16).padStart(40, '0'))
        .join('')}`,
    );
  const digits = (pack(a) * pack(b)).toString(16).padStart(80 * length, '0');
  const product = Array.from({length: 2 * length}, (_, i) => {
    const end = digits.length - 40 * i;
    return BigInt.asUintN(64, BigInt(`0x${digits.slice(end - 40, end)}`));
  });
  return reduce(product, length);
}

function reduce(polynomial: readonly bigint[], length: number): bigint[] {
  const rest = [...polynomial];
  for (let i = rest.length - 1; i >= length; i--) {
    const factor = rest[i] ?? 0n;
    rest[i - length] = BigInt.asUintN(64, (rest[i - length] ?? 0n) + factor);
    rest[i - length + 334] = BigInt.asUintN(64, (rest[i - length + 334] ?? 0n) + factor);
  }
  return rest.slice(0, length);
}
