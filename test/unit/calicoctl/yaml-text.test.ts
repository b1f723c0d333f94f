import t from 'tap';
import {readYaml} from '../../../src/calicoctl/input/yaml-reader.ts';
import {printYaml} from '../../../src/calicoctl/output/yaml-text.ts';
import {isJsonObject, type JsonValue} from '../../../src/lib/exact-json.ts';
import {forAll} from '../../helpers/random.ts';

void t.test('text is quoted when a reader would take it for something else', async (t) => {
  const texts: readonly (readonly [text: string, printed: string])[] = [
    ['plain', 'plain'],
    ['', '""'],
    ['1', '"1"'],
    ['1_000', '"1_000"'],
    ['0x1f', '"0x1f"'],
    ['010', '"010"'],
    ['089', '"089"'],
    ['1e3', '"1e3"'],
    ['.5', '".5"'],
    ['1.2.3', '1.2.3'],
    ['64512:5', '"64512:5"'],
    ['63400:300:100', '63400:300:100'],
    ['66:11:22:33:44:55', '"66:11:22:33:44:55"'],
    ['CA:FE:1D:52:BB:E9', 'CA:FE:1D:52:BB:E9'],
    ['yes', '"yes"'],
    ['n', '"n"'],
    ['True', '"True"'],
    ['~', '"~"'],
    ['null', '"null"'],
    ['2026-11-21T08:51:16Z', '"2026-11-21T08:51:16Z"'],
    ['2026-11-21', '"2026-11-21"'],
    ['*', "'*'"],
    ['[fd00:5::1]:1790', "'[fd00:5::1]:1790'"],
    ['{"a": [1, 2]}', `'{"a": [1, 2]}'`],
    ["it's: so", "'it''s: so'"],
    ['a #b', "'a #b'"],
    ['a#b', 'a#b'],
    [' a', "' a'"],
    ['- a', "'- a'"],
    ['-a', '-a'],
    ['zone == "a" && has(rack)', 'zone == "a" && has(rack)'],
    ['tab\there', '"tab\\there"'],
    ['\x1b[2J', '"\\e[2J"'],
    ['日本', '日本'],
  ];
  for (const [text, printed] of texts) t.equal(printYaml({a: text}), `a: ${printed}\n`, JSON.stringify(text));
});

void t.test('maps are sorted, lists are not indented, long text is folded', async (t) => {
  t.equal(
    printYaml({spec: {list: [{b: 1, a: [true, null]}, 'x', []], empty: {}}, apiVersion: 'v3'}),
    'apiVersion: v3\nspec:\n  empty: {}\n  list:\n  - a:\n    - true\n    - null\n    b: 1\n  - x\n  - []\n',
  );
  t.equal(printYaml([]), '[]\n');
  t.equal(printYaml({a10: 1, a9: 2, B: 3}), 'B: 3\na9: 2\na10: 1\n', 'digits by their value');
  t.equal(printYaml({text: 'one\ntwo\n'}), 'text: |\n  one\n  two\n');
  t.equal(printYaml({text: 'one\ntwo'}), 'text: |-\n  one\n  two\n');
  const words = Array.from({length: 20}, (_, i) => `word${i}`).join(' ');
  t.equal(
    printYaml({text: words}),
    'text: word0 word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11 word12\n  word13 word14 word15 word16 word17 word18 word19\n',
  );
});

const PIECES = [
  'a',
  'yes',
  '1',
  ':',
  ' ',
  '  ',
  '#',
  '-',
  "'",
  '"',
  '\n',
  '\t',
  '\\',
  '{',
  '[',
  ',',
  '&',
  '*',
  '!',
  '|',
];
const MORE_PIECES = ['>', '%', '@', '0x', '1e5', '日', '\x07', 'word ', '\u2028', '\x85', '?', '...', '---'];

void t.test('what is printed is read back as it was', async (t) => {
  await forAll(2000, (random) => {
    const pieces = [...PIECES, ...MORE_PIECES];
    const text = Array.from({length: random.between(0, 30)}, () => random.pick(pieces)).join('');
    const value: JsonValue = {list: [text, {inner: text}], [text]: text};
    const printed = printYaml(value);
    const back = readYaml(printed) ?? null;
    if (sortedJson(back) !== sortedJson(value))
      throw new Error(`${JSON.stringify(text)} was printed as ${JSON.stringify(printed)}`);
  });
  t.pass();
});

const sortedJson = (value: JsonValue): string =>
  isJsonObject(value)
    ? JSON.stringify(
        Object.entries(value)
          .map(([key, each]) => `${key}=${JSON.stringify(each)}`)
          .sort(),
      )
    : JSON.stringify(value);
