/** The selector language against what Calico v3.32.1 says of 183 selectors, and against limits and garbage. */
import {readFileSync} from 'node:fs';
import t from 'tap';
import {hasCode} from '../../../src/lib/errors.ts';
import {parseSelector} from '../../../src/model/selector/parser.ts';

interface Vector {
  readonly selector: string;
  readonly canonical?: string;
  readonly id?: string;
  readonly matches?: readonly boolean[];
  readonly error?: string;
}

const [first = '{}', ...rest] = readFileSync(new URL('../../fixtures/model/selectors.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n');
const labelMaps = (JSON.parse(first) as {labelMaps: Record<string, string>[]}).labelMaps.map(
  (labels) => new Map(Object.entries(labels)),
);
const vectors = rest.map((line) => JSON.parse(line) as Vector);

const isRefused = (text: string): boolean => {
  try {
    parseSelector(text);
    return false;
  } catch (error) {
    if (!hasCode(error, 'E_BAD_SELECTOR')) throw error;
    return true;
  }
};

void t.test('what Calico accepts has its canonical text, identity and matches', async (t) => {
  const accepted = vectors.filter((vector) => vector.error === undefined);
  t.ok(accepted.length > 100);
  for (const vector of accepted) {
    const selector = parseSelector(vector.selector);
    const found = {
      canonical: selector.canonical,
      id: selector.id,
      matches: labelMaps.map((labels) => selector.matches(labels)),
    };
    t.same(found, {canonical: vector.canonical, id: vector.id, matches: vector.matches}, vector.selector.slice(0, 80));
    t.equal(parseSelector(selector.canonical).canonical, selector.canonical, 'canonical text is a fixed point');
  }
});

void t.test('what Calico refuses is refused', async (t) => {
  const refused = vectors.filter((vector) => vector.error !== undefined);
  t.ok(refused.length > 60);
  for (const vector of refused) t.ok(isRefused(vector.selector), vector.selector.slice(0, 80));
});

void t.test('an error says what is wrong and where', async (t) => {
  t.throws(() => parseSelector('role == "web" && tier = "x"'), {
    code: 'E_BAD_SELECTOR',
    message: /^selector: expected == at position 22 \(near ".*tier = \\"x\\""\)$/,
    context: {position: 22},
  });
  t.throws(() => parseSelector('a == "b'), {message: /without its closing quote at position 5/});
});

void t.test('length and depth are limited, rows of ! are not', async (t) => {
  const nested = (depth: number) => `${'('.repeat(depth)}has(a)${')'.repeat(depth)}`;
  t.equal(parseSelector(nested(256)).canonical, 'has(a)');
  t.ok(isRefused(nested(257)));
  t.ok(isRefused('('.repeat(65_000)));
  const side = Array.from({length: 300}, () => '(has(a))').join(' && ');
  t.equal(parseSelector(side).matches(new Map([['a', '']])), true, 'parentheses beside each other are not deep');
  t.ok(isRefused(`a == "${'x'.repeat(65_536)}"`));
  t.equal(parseSelector(`${'!'.repeat(60_001)}has(a)`).canonical, '!has(a)');
  const notNested = `${'!('.repeat(256)}has(a)${')'.repeat(256)}`;
  t.equal(parseSelector(notNested).matches(new Map([['a', '']])), true);
});

void t.test('names of Object.prototype are labels like any other', async (t) => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    t.equal(parseSelector(`has(${name})`).matches(new Map()), false);
    t.equal(parseSelector(`${name} == "x"`).matches(new Map([[name, 'x']])), true);
  }
});

void t.test('time grows with the length only', async (t) => {
  const long = Array.from({length: 5000}, (_, i) => `l${i} == "v"`)
    .join(' || ')
    .slice(0, 65_000);
  const cut = long.slice(0, long.lastIndexOf(' || '));
  t.equal(parseSelector(cut).matches(new Map([['l4000', 'v']])), true);
});
