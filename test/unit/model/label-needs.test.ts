/** Which labels a selector needs: examples, and that whatever matches has all that was said to be needed. */
import t from 'tap';
import type {Expression} from '../../../src/model/selector/ast.ts';
import {labelNeeds, strongestNeed} from '../../../src/model/selector/label-needs.ts';
import {parseSelector} from '../../../src/model/selector/parser.ts';
import {forAll, type Random} from '../../helpers/random.ts';

const strongest = (text: string): string => {
  const need = strongestNeed(parseSelector(text).expression);
  switch (need.kind) {
    case 'values':
      return `${need.label} in ${[...need.values].sort().join(',')}`;
    case 'present':
      return `has ${need.label}`;
    case 'none':
    case 'impossible':
      return need.kind;
  }
};

void t.test('the strongest need of a selector', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'none'],
    ['all()', 'none'],
    ['global()', 'none'],
    ['!all()', 'impossible'],
    ['a == "x"', 'a in x'],
    ['a != "x"', 'none'],
    ['!(a != "x")', 'a in x'],
    ['a in {"x", "y"}', 'a in x,y'],
    ['a in {}', 'impossible'],
    ['!(a not in {"x"})', 'a in x'],
    ['a not in {"x"}', 'none'],
    ['has(a)', 'has a'],
    ['!has(a)', 'none'],
    ['a contains "x"', 'has a'],
    ['!(a starts with "x")', 'none'],
    ['has(a) && b == "x"', 'b in x'],
    ['a in {"x","y"} && b == "z"', 'b in z'],
    ['a in {"x","y"} && a in {"y","z"}', 'a in y'],
    ['a == "x" && a == "y"', 'impossible'],
    ['a == "x" || a == "y"', 'a in x,y'],
    ['a == "x" || b == "y"', 'none'],
    ['a == "x" || has(a)', 'has a'],
    ['(a == "x" && has(c)) || (c == "y" && b == "z")', 'has c'],
    ['a == "x" || (b == "y" && b == "z")', 'a in x'],
    ['!(a != "x" || b not in {"y"})', 'a in x'],
    ['!(has(a) && b != "y")', 'none'],
    ['projectcalico.org/namespace == "n" && all()', 'projectcalico.org/namespace in n'],
  ];
  for (const [text, expected] of cases) t.equal(strongest(text), expected, text);
});

const LABELS = ['a', 'b', '__proto__'];
const VALUES = ['x', 'y', ''];

function randomText(random: Random, depth: number): string {
  const label = random.pick(LABELS);
  const value = random.pick(VALUES);
  if (depth > 0 && random.chance(0.6)) {
    const operator = random.pick([' && ', ' || ']);
    const operands = Array.from({length: 1 + random.below(3)}, () => randomText(random, depth - 1));
    return `${random.pick(['', '!'])}(${operands.join(operator)})`;
  }
  return random.pick([
    `${label} == "${value}"`,
    `${label} != "${value}"`,
    `${label} in {"${value}", "${random.pick(VALUES)}"}`,
    `${label} not in {"${value}"}`,
    `has(${label})`,
    `!has(${label})`,
    `${label} starts with "${value}"`,
    `${label} contains "${value}"`,
    'all()',
    `${label} in {}`,
  ]);
}

const allLabelMaps: readonly ReadonlyMap<string, string>[] = LABELS.reduce<readonly ReadonlyMap<string, string>[]>(
  (maps, label) => maps.flatMap((map) => [map, ...VALUES.map((value) => new Map([...map, [label, value]]))]),
  [new Map()],
);

function hasAllNeeds(expression: Expression, labels: ReadonlyMap<string, string>): boolean {
  const needs = labelNeeds(expression);
  if (needs === undefined) return false;
  return [...needs].every(([label, values]) => {
    const value = labels.get(label);
    return value !== undefined && (values === undefined || values.has(value));
  });
}

void t.test('whatever matches has every need', async (t) => {
  let matches = 0;
  let needy = 0;
  await forAll(500, (random) => {
    const text = randomText(random, 3);
    const selector = parseSelector(text);
    if ((labelNeeds(selector.expression)?.size ?? 1) > 0) needy++;
    for (const labels of allLabelMaps) {
      if (!selector.matches(labels)) continue;
      matches++;
      if (!hasAllNeeds(selector.expression, labels)) throw new Error(`${text} matches ${JSON.stringify([...labels])}`);
    }
  });
  t.ok(matches > 500, `${matches} matches`);
  t.ok(needy > 100, `${needy} selectors need something`);
});
