import t from 'tap';
import {readYaml} from '../../../src/calicoctl/input/yaml-reader.ts';
import {messageOf} from '../../../src/lib/errors.ts';
import {forAll} from '../../helpers/random.ts';

void t.test('values are those of YAML 1.1 as Go reads it', async (t) => {
  const cases: readonly (readonly [yaml: string, json: unknown])[] = [
    ['{a: yes, b: n, c: On, d: off, e: True}', {a: true, b: false, c: true, d: false, e: true}],
    ['{y: 1, 1: x, 1.5: z}', {true: 1, '1': 'x', '1.5': 'z'}],
    ['{a: 010, b: 0x1f, c: 1_000, d: 0b11}', {a: 8, b: 31, c: 1000, d: 3}],
    ['{a: 1.10, b: 1e3, c: .5}', {a: 1.1, b: 1000, c: 0.5}],
    ['{a: 1:30, b: 190:20:30.15}', {a: '1:30', b: '190:20:30.15'}],
    ['{a: 2001-12-14, b: 2001-12-14T21:59:43Z}', {a: '2001-12-14', b: '2001-12-14T21:59:43Z'}],
    ['{a: ~, b: null, c: }', {a: null, b: null, c: null}],
    ['{a: \'yes\', b: "1"}', {a: 'yes', b: '1'}],
    ['a: &x {b: 1}\nc: *x', {a: {b: 1}, c: {b: 1}}],
    ['a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3', {a: {b: 1, c: 2}, d: {b: 1, c: 3}}],
    ['\ufeffa: 1', {a: 1}],
    ['{"a": [1, "x"]}', {a: [1, 'x']}],
    ['---\na: 1', {a: 1}],
    ['# nothing', undefined],
    ['hello', 'hello'],
  ];
  for (const [yaml, json] of cases) t.same(readYaml(yaml), json, JSON.stringify(yaml));
  t.equal((readYaml('a: 1795251076093288122') as {a: bigint}).a, 1795251076093288122n, 'integers stay exact');
});

void t.test('names of the language are names like any other', async (t) => {
  const value = readYaml('{__proto__: 1, constructor: {toString: x}}') as Record<string, unknown>;
  t.same(Object.keys(value), ['__proto__', 'constructor']);
  t.equal(Object.getPrototypeOf(value), null);
  t.notOk('1' in {}, 'and nobody else notices');
});

void t.test('what cannot be read names the line', async (t) => {
  const cases: readonly (readonly [yaml: string, message: RegExp])[] = [
    ['a: 1\nb: 2\na: 3', /^unmarshal errors:\n {2}line 3: key "a" already set in map$/],
    ['{y: 1, yes: 2}', /key "true" already set/],
    ['a:\n\tb: 1', /^line 2: found character that cannot start any token$/],
    ['a: [1', /^line 1: /],
    ['a: *x', /^line 1: unknown anchor 'x' referenced$/],
    ['a: &x [*x]', /^line 1: anchor 'x' value contains itself$/],
    ['a: .inf', /^line 1: this value has no JSON form$/],
    ['? [a]\n: b', /^line 1: a key must be text/],
  ];
  for (const [yaml, message] of cases)
    t.throws(() => readYaml(yaml), {code: 'E_BAD_YAML', message}, JSON.stringify(yaml));
});

void t.test('bombs are refused quickly', async (t) => {
  const laughs = Array.from(
    {length: 12},
    (_, i) =>
      `a${i}: &a${i} [${
        i === 0
          ? 'x'
          : Array(9)
              .fill(`*a${i - 1}`)
              .join(',')
      }]`,
  );
  const bombs: readonly (readonly [name: string, yaml: string, message: RegExp])[] = [
    ['aliases of aliases', laughs.join('\n'), /more than 100 aliases/],
    ['depth of lists', '['.repeat(1_000_000), /deeper than 128/],
    ['depth of dashes', '- '.repeat(1_000_000), /deeper than 128/],
    ['depth of maps', '{a: '.repeat(1_000_000), /deeper than 128/],
    ['depth by indentation', Array.from({length: 200}, (_, i) => `${' '.repeat(i)}a:`).join('\n'), /deeper than 128/],
    ['closed depth', `${'['.repeat(200)}${']'.repeat(200)}`, /deeper than 128/],
  ];
  for (const [name, yaml, message] of bombs) t.throws(() => readYaml(yaml), {code: 'E_BAD_YAML', message}, name);
  const wide = Array.from({length: 20_000}, (_, i) => `k${i}: 1`).join('\n');
  t.equal(Object.keys(readYaml(wide) as object).length, 20_000, 'many keys take no time that grows with their square');
});

void t.test('garbage gives an error with a line or a value, never anything else', async (t) => {
  const pieces = [
    'a',
    ':',
    ' ',
    '\n',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '&x',
    '*x',
    '"',
    "'",
    '|',
    '>',
    '!',
    '%',
    '?',
    ',',
    '#',
    '\t',
    '\0',
    '<<',
    '~',
    '1',
  ];
  await forAll(800, (random) => {
    const yaml = Array.from({length: random.between(1, 40)}, () => random.pick(pieces)).join('');
    try {
      readYaml(yaml);
    } catch (error) {
      const isExpected = error instanceof Error && 'code' in error && error.code === 'E_BAD_YAML';
      if (!isExpected || !/line \d+: /.test(messageOf(error))) throw new Error(JSON.stringify(yaml), {cause: error});
    }
  });
  t.pass();
});
