/**
 * Selector text to tokens, one at a time, in one pass and without regular expressions.
 *
 * What a word means depends on where it stands: behind a label only operators are expected, elsewhere `has(`, `all(`
 * and `global(` (no space before the parenthesis) or a label. So a label may be called `in` or `has`. Only space and
 * tab are white space; a line break is an error, as in Calico.
 */
import {AgentError} from '../../lib/errors.ts';
import type {ComparisonOperator} from './ast.ts';

export const LONGEST_SELECTOR = 65_536;
const LONGEST_LABEL = 512;

export type Token =
  | {readonly kind: 'label' | 'has'; readonly label: string}
  | {readonly kind: 'string'; readonly value: string}
  | {readonly kind: 'compare'; readonly operator: ComparisonOperator}
  | {readonly kind: 'member'; readonly operator: 'in' | 'not in'}
  | {readonly kind: 'all' | 'global' | 'and' | 'or' | 'not' | '(' | ')' | '{' | '}' | ',' | 'end'};

const SINGLE = new Set<string>(['(', ')', '{', '}', ',']);
const isSingle = (character: string): character is '(' | ')' | '{' | '}' | ',' => SINGLE.has(character);

export class Tokenizer {
  readonly #text: string;
  #at = 0;
  #afterLabel = false;

  constructor(text: string) {
    if (text.length > LONGEST_SELECTOR) throw selectorError('', 0, `is longer than ${LONGEST_SELECTOR} characters`);
    this.#text = text;
  }

  /** Where the next token begins or would begin, for error messages. */
  get position(): number {
    return this.#at;
  }

  /** The next token; `end` for ever once the text is used up. */
  next(): Token {
    this.#skipSpace();
    const token = this.#afterLabel ? this.#readOperator() : this.#readToken();
    this.#afterLabel = token.kind === 'label';
    return token;
  }

  fail(rule: string): never {
    throw selectorError(this.#text, this.#at, rule);
  }

  #readToken(): Token {
    if (this.#at >= this.#text.length) return {kind: 'end'};
    const character = this.#text.charAt(this.#at);
    if (isSingle(character)) {
      this.#at++;
      return {kind: character};
    }
    switch (character) {
      case '"':
      case "'":
        return this.#readString(character);
      case '!':
        if (this.#take('!=')) return {kind: 'compare', operator: '!='};
        this.#at++;
        return {kind: 'not'};
      case '=':
        if (this.#take('==')) return {kind: 'compare', operator: '=='};
        return this.fail('expected ==');
      case '&':
        if (this.#take('&&')) return {kind: 'and'};
        return this.fail('expected &&');
      case '|':
        if (this.#take('||')) return {kind: 'or'};
        return this.fail('expected ||');
      default:
        return this.#readWord();
    }
  }

  #readString(quote: string): Token {
    const end = this.#text.indexOf(quote, this.#at + 1);
    if (end < 0) return this.fail('has a string without its closing quote');
    const value = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return {kind: 'string', value};
  }

  #readWord(): Token {
    if (this.#take('has(')) return this.#readHas();
    if (this.#take('all(')) return this.#closeCall('all');
    if (this.#take('global(')) return this.#closeCall('global');
    return {kind: 'label', label: this.#readLabel()};
  }

  #readHas(): Token {
    this.#skipSpace();
    const label = this.#readLabel();
    this.#skipSpace();
    if (!this.#take(')')) return this.fail('expected ) after the label of has(');
    return {kind: 'has', label};
  }

  #closeCall(kind: 'all' | 'global'): Token {
    this.#skipSpace();
    if (!this.#take(')')) return this.fail(`expected ) after ${kind}(`);
    return {kind};
  }

  #readLabel(): string {
    const start = this.#at;
    while (this.#at < this.#text.length && isLabelCode(this.#text.charCodeAt(this.#at))) this.#at++;
    if (this.#at === start) return this.fail('expected a label name, a string or an operator');
    if (this.#at - start > LONGEST_LABEL) return this.fail(`has a label name of more than ${LONGEST_LABEL} characters`);
    return this.#text.slice(start, this.#at);
  }

  #readOperator(): Token {
    const character = this.#text.charAt(this.#at);
    // Punctuation never follows a label, but the parser says that better.
    if (character === '' || character === '=' || character === '!' || character === '&' || character === '|')
      return this.#readToken();
    if (isSingle(character)) return this.#readToken();
    if (this.#takeWord('contains')) return {kind: 'compare', operator: 'contains'};
    if (this.#takeWords('starts', 'with')) return {kind: 'compare', operator: 'starts with'};
    if (this.#takeWords('ends', 'with')) return {kind: 'compare', operator: 'ends with'};
    if (this.#takeWords('not', 'in')) return {kind: 'member', operator: 'not in'};
    if (this.#takeWord('in')) return {kind: 'member', operator: 'in'};
    return this.fail('expected an operator after the label');
  }

  /** `first`, any space or none, `second`. */
  #takeWords(first: string, second: string): boolean {
    const start = this.#at;
    if (this.#take(first)) {
      this.#skipSpace();
      if (this.#takeWord(second)) return true;
    }
    this.#at = start;
    return false;
  }

  /** `word`, not continued by another letter, digit or underscore. */
  #takeWord(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    if (isWordCode(this.#text.charCodeAt(this.#at + word.length))) return false;
    this.#at += word.length;
    return true;
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #skipSpace(): void {
    while (isSpaceCode(this.#text.charCodeAt(this.#at))) this.#at++;
  }
}

/** The error of a selector; `rule` continues "the selector ...". */
export function selectorError(text: string, position: number, rule: string): AgentError {
  const near = text.slice(Math.max(0, position - 16), position + 16);
  const where = near === '' ? '' : ` at position ${position} (near ${JSON.stringify(near)})`;
  return new AgentError('E_BAD_SELECTOR', `selector: ${rule}${where}`, {position, near, rule});
}

const isSpaceCode = (code: number): boolean => code === 32 || code === 9;

const isWordCode = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95;

/** A letter, a digit or one of `_ . / -`. */
const isLabelCode = (code: number): boolean => isWordCode(code) || (code >= 45 && code <= 47);
