import assert from 'node:assert/strict';
import t from 'tap';
import {formatDuration, parseDuration} from '../../../src/lib/duration.ts';
import {forAll} from '../../helpers/random.ts';

void t.test('texts that Go accepts', async (t) => {
  for (const [text, durationMs] of [
    ['0', 0],
    ['0s', 0],
    ['-0', 0],
    ['5s', 5000],
    ['90s', 90_000],
    ['1m30s', 90_000],
    ['1h30m0s', 5_400_000],
    ['24h0m0s', 86_400_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['100us', 0.1],
    ['100µs', 0.1],
    ['100μs', 0.1],
    ['-1.5s', -1500],
    ['+5s', 5000],
    ['1s1s', 2000],
  ] as const) {
    t.equal(parseDuration(text), durationMs, text);
  }
  for (const text of [
    '',
    '5',
    '-',
    '+',
    's',
    '.s',
    '5 s',
    ' 5s',
    '5s ',
    '5S',
    '5d',
    '1h30',
    '--5s',
    '5s-1s',
    '1e3s',
    '0x5s',
    '٣s',
  ]) {
    t.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
});

void t.test('texts that Go prints', async (t) => {
  for (const [durationMs, text] of [
    [0, '0s'],
    [0.25, '250µs'],
    [1.5, '1.5ms'],
    [999, '999ms'],
    [1000, '1s'],
    [1500, '1.5s'],
    [59_999, '59.999s'],
    [60_000, '1m0s'],
    [90_000, '1m30s'],
    [3_600_000, '1h0m0s'],
    [5_400_500, '1h30m0.5s'],
    [86_400_000, '24h0m0s'],
    [-90_000, '-1m30s'],
  ] as const) {
    t.equal(formatDuration(durationMs), text);
  }
});

void t.test('what is printed is read back', () =>
  forAll(1000, (random) => {
    const durationUs = random.between(-1, 1) * random.below(10 ** random.between(1, 13));
    const text = formatDuration(durationUs / 1000);
    assert.equal(Math.round((parseDuration(text) ?? Number.NaN) * 1000), durationUs === 0 ? 0 : durationUs, text);
  }),
);

void t.test('a long row of digits is read once, and nothing lasts longer than Go can count', async (t) => {
  // Read in every way, this would take minutes.
  t.equal(parseDuration('1'.repeat(300_000)), undefined);
  t.equal(parseDuration(`${'9'.repeat(300)}h`), undefined);
  t.equal(parseDuration('2562047h'), 2562047 * 3_600_000);
  t.equal(parseDuration('2562048h'), undefined);
  t.equal(parseDuration('-2562048h'), undefined);
});
