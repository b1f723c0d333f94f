/**
 * The one text of an expression, and its identity. Both are shared with Calico: the identity names IP sets in the
 * kernel, so every space and quote counts.
 */
import {createHash} from 'node:crypto';
import type {Expression} from './ast.ts';

export function formatExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'all':
      return 'all()';
    case 'global':
      return 'global()';
    case 'has':
      return `has(${expression.label})`;
    case 'compare':
      return `${expression.label} ${expression.operator} ${quote(expression.value)}`;
    case 'member':
      return `${expression.label} ${expression.operator} {${expression.values.map(quote).join(', ')}}`;
    case 'not':
      return `!${formatExpression(expression.operand)}`;
    case 'and':
    case 'or':
      return `(${expression.operands.map(formatExpression).join(expression.kind === 'and' ? ' && ' : ' || ')})`;
  }
}

/** `s:` and the hash of a canonical text. */
export function selectorId(canonical: string): string {
  return `s:${createHash('sha224').update(`s:${canonical}`).digest('base64url')}`;
}

/** There are no escapes: a value never holds both kinds of quote. */
const quote = (value: string): string => (value.includes('"') ? `'${value}'` : `"${value}"`);
