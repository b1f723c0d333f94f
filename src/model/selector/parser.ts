/**
 * Tokens to an expression, by recursive descent: `||` binds weakest, then `&&`, then `!`.
 *
 * Depth counts parentheses and is limited, so that neither this nor any walk over the result can exhaust the stack; a
 * row of `!` is counted, not nested. An empty selector is `all()`.
 */
import {compareBytes} from '../../lib/byte-order.ts';
import type {Expression} from './ast.ts';
import {Selector} from './selector.ts';
import {type Token, Tokenizer} from './tokenizer.ts';

export const DEEPEST_SELECTOR = 256;

/** Parses a selector; throws E_BAD_SELECTOR that says what is wrong and where. Empty text selects everything. */
export function parseSelector(text: string): Selector {
  return new Selector(new Parser(new Tokenizer(text)).parse());
}

class Parser {
  readonly #tokens: Tokenizer;
  #token: Token;
  #depth = 0;

  constructor(tokens: Tokenizer) {
    this.#tokens = tokens;
    this.#token = tokens.next();
  }

  parse(): Expression {
    if (this.#sees('end')) return {kind: 'all'};
    const expression = this.#parseGroup('or');
    if (!this.#sees('end')) this.#fail('has something behind its end');
    return expression;
  }

  /** Operands joined by one kind of operator; a single one stands for itself. */
  #parseGroup(kind: 'and' | 'or'): Expression {
    const parseOperand = () => (kind === 'or' ? this.#parseGroup('and') : this.#parseOperation());
    const first = parseOperand();
    if (!this.#sees(kind)) return first;
    const operands = [first];
    while (this.#sees(kind)) {
      this.#advance();
      operands.push(parseOperand());
    }
    return {kind, operands};
  }

  #parseOperation(): Expression {
    let negated = false;
    while (this.#sees('not')) {
      negated = !negated;
      this.#advance();
    }
    const operand = this.#parsePrimary();
    return negated ? {kind: 'not', operand} : operand;
  }

  #parsePrimary(): Expression {
    const token = this.#token;
    if (token.kind === '(') return this.#parseParentheses();
    if (token.kind === 'label') {
      this.#advance();
      return this.#parseLabelOperation(token.label);
    }
    if (token.kind === 'has') {
      this.#advance();
      return {kind: 'has', label: token.label};
    }
    if (token.kind === 'all' || token.kind === 'global') {
      this.#advance();
      return {kind: token.kind};
    }
    return this.#fail('expected a label, has(), all(), global() or (');
  }

  #parseParentheses(): Expression {
    if (++this.#depth > DEEPEST_SELECTOR) this.#fail(`is nested more than ${DEEPEST_SELECTOR} deep`);
    this.#advance();
    const inner = this.#parseGroup('or');
    if (!this.#sees(')')) this.#fail('expected )');
    this.#advance();
    this.#depth--;
    return inner;
  }

  #parseLabelOperation(label: string): Expression {
    const token = this.#token;
    if (token.kind === 'compare') {
      this.#advance();
      return {kind: 'compare', operator: token.operator, label, value: this.#takeString()};
    }
    if (token.kind === 'member') {
      this.#advance();
      const members = this.#parseSet();
      return {kind: 'member', operator: token.operator, label, values: [...members].sort(compareBytes), members};
    }
    return this.#fail('expected an operator after the label');
  }

  #parseSet(): ReadonlySet<string> {
    if (!this.#sees('{')) this.#fail('expected a set of strings in { }');
    this.#advance();
    const members = new Set<string>();
    while (this.#sees('string')) {
      members.add(this.#takeString());
      if (!this.#sees(',')) break;
      this.#advance();
    }
    if (!this.#sees('}')) this.#fail('expected }');
    this.#advance();
    return members;
  }

  #takeString(): string {
    const token = this.#token;
    if (token.kind !== 'string') return this.#fail('expected a string in quotes');
    this.#advance();
    return token.value;
  }

  #sees(kind: Token['kind']): boolean {
    return this.#token.kind === kind;
  }

  #advance(): void {
    this.#token = this.#tokens.next();
  }

  #fail(rule: string): never {
    return this.#tokens.fail(rule);
  }
}
