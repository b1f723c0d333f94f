/**
 * Does an expression hold for a set of labels? Allocates nothing and is recursive only as deep as the parser allows.
 */
import type {ComparisonOperator, Expression} from './ast.ts';

/** What is asked of labels; any `Map<string, string>` is one, and so is a view on several maps. */
export interface Labels {
  get(name: string): string | undefined;
}

export function evaluate(expression: Expression, labels: Labels): boolean {
  switch (expression.kind) {
    case 'all':
    case 'global':
      return true;
    case 'has':
      return labels.get(expression.label) !== undefined;
    case 'compare':
      return compare(expression.operator, labels.get(expression.label), expression.value);
    case 'member': {
      const found = labels.get(expression.label);
      const isMember = found !== undefined && expression.members.has(found);
      return expression.operator === 'in' ? isMember : !isMember;
    }
    case 'not':
      return !evaluate(expression.operand, labels);
    case 'and':
      for (const operand of expression.operands) if (!evaluate(operand, labels)) return false;
      return true;
    case 'or':
      for (const operand of expression.operands) if (evaluate(operand, labels)) return true;
      return false;
  }
}

/** An absent label satisfies only `!=`. */
function compare(operator: ComparisonOperator, found: string | undefined, value: string): boolean {
  if (found === undefined) return operator === '!=';
  switch (operator) {
    case '==':
      return found === value;
    case '!=':
      return found !== value;
    case 'contains':
      return found.includes(value);
    case 'starts with':
      return found.startsWith(value);
    case 'ends with':
      return found.endsWith(value);
  }
}
