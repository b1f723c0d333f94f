/**
 * What labels must be like for a selector to match: for an index that asks only the selectors that can.
 *
 * Needs are necessary, not sufficient: whatever matches has them all. Walked with the sign of `!` carried down, so that
 * `!(a != "x" || b not in {"y"})` needs what it means.
 */
import type {Expression} from './ast.ts';

/** The label must be there, with one of the values; undefined: with any. */
export type LabelNeed = ReadonlySet<string> | undefined;

/** By label; `undefined` in place of all: nothing can match. */
export type LabelNeeds = ReadonlyMap<string, LabelNeed> | undefined;

/** The one need to index a selector under. */
export type StrongestNeed =
  | {readonly kind: 'values'; readonly label: string; readonly values: ReadonlySet<string>}
  | {readonly kind: 'present'; readonly label: string}
  /** It may match whatever the labels are. */
  | {readonly kind: 'none'}
  /** It matches nothing. */
  | {readonly kind: 'impossible'};

export function labelNeeds(expression: Expression): LabelNeeds {
  return needsOf(expression, false);
}

/** Fewest values first, then a label that must be there; of equals the first. */
export function strongestNeed(expression: Expression): StrongestNeed {
  const needs = labelNeeds(expression);
  if (needs === undefined) return {kind: 'impossible'};
  let strongest: StrongestNeed = {kind: 'none'};
  for (const [label, values] of needs) {
    if (values === undefined) {
      if (strongest.kind === 'none') strongest = {kind: 'present', label};
    } else if (strongest.kind !== 'values' || values.size < strongest.values.size)
      strongest = {kind: 'values', label, values};
  }
  return strongest;
}

const NOTHING_NEEDED: LabelNeeds = new Map();

function needsOf(expression: Expression, negated: boolean): LabelNeeds {
  switch (expression.kind) {
    case 'all':
    case 'global':
      return negated ? undefined : NOTHING_NEEDED;
    case 'has':
      return negated ? NOTHING_NEEDED : new Map([[expression.label, undefined]]);
    case 'compare':
      return comparisonNeeds(expression, negated);
    case 'member':
      if ((expression.operator === 'in') === negated) return NOTHING_NEEDED;
      return expression.members.size === 0 ? undefined : new Map([[expression.label, expression.members]]);
    case 'not':
      return needsOf(expression.operand, !negated);
    case 'and':
    case 'or': {
      const operands = expression.operands.map((operand) => needsOf(operand, negated));
      return (expression.kind === 'and') === negated ? needsOfAny(operands) : needsOfAll(operands);
    }
  }
}

function comparisonNeeds(
  {operator, label, value}: Extract<Expression, {kind: 'compare'}>,
  negated: boolean,
): LabelNeeds {
  const wantsEqual = operator === (negated ? '!=' : '==');
  if (wantsEqual) return new Map([[label, new Set([value])]]);
  return negated || operator === '!=' ? NOTHING_NEEDED : new Map([[label, undefined]]);
}

function needsOfAll(operands: readonly LabelNeeds[]): LabelNeeds {
  const all = new Map<string, LabelNeed>();
  for (const needs of operands) {
    if (needs === undefined) return undefined;
    for (const [label, values] of needs) {
      const before = all.get(label);
      const both =
        before === undefined || values === undefined
          ? (values ?? before)
          : new Set([...before].filter((value) => values.has(value)));
      if (both?.size === 0) return undefined;
      all.set(label, both);
    }
  }
  return all;
}

/** A label counts only when each operand that can match needs it. */
function needsOfAny(operands: readonly LabelNeeds[]): LabelNeeds {
  const possible = operands.filter((needs) => needs !== undefined);
  const [first, ...others] = possible;
  if (first === undefined) return undefined;
  const any = new Map<string, LabelNeed>();
  for (const label of first.keys()) {
    if (!others.every((needs) => needs.has(label))) continue;
    const sets = possible.map((needs) => needs.get(label));
    const isAnyValue = sets.includes(undefined);
    any.set(label, isAnyValue ? undefined : new Set(sets.flatMap((values) => [...(values ?? [])])));
  }
  return any;
}
