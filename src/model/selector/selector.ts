/**
 * A selector ready for use, made by `parseSelector`: parsed once, with its canonical text and identity.
 */
import type {Expression} from './ast.ts';
import {formatExpression, selectorId} from './canonical.ts';
import {evaluate, type Labels} from './evaluate.ts';

export class Selector {
  readonly expression: Expression;
  readonly canonical: string;
  #id: string | undefined;

  constructor(expression: Expression) {
    this.expression = expression;
    this.canonical = formatExpression(expression);
  }

  /** Hashed when first asked for: most selectors are only matched. */
  get id(): string {
    this.#id ??= selectorId(this.canonical);
    return this.#id;
  }

  matches(labels: Labels): boolean {
    return evaluate(this.expression, labels);
  }
}
