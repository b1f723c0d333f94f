/**
 * A parsed selector as data: the forms an expression can have. Everything else in this folder makes, prints or evaluates it.
 */
export type Expression =
  /** `all()`, also what an empty selector means. `global()` is true of everything too; it has a meaning of its own
   * only where a policy's namespace selector is rewritten. */
  | {readonly kind: 'all'}
  | {readonly kind: 'global'}
  | {readonly kind: 'has'; readonly label: string}
  | {readonly kind: 'compare'; readonly operator: ComparisonOperator; readonly label: string; readonly value: string}
  /** `values` are sorted by their bytes, each once; `members` holds the same for look-ups. */
  | {
      readonly kind: 'member';
      readonly operator: 'in' | 'not in';
      readonly label: string;
      readonly values: readonly string[];
      readonly members: ReadonlySet<string>;
    }
  | {readonly kind: 'not'; readonly operand: Expression}
  /** Two operands or more. */
  | {readonly kind: 'and' | 'or'; readonly operands: readonly Expression[]};

export type ComparisonOperator = '==' | '!=' | 'contains' | 'starts with' | 'ends with';
