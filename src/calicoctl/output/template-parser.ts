/** From the text of a template to a tree of blocks. */
import {Failure} from '../failure.ts';

export type Block =
  | {readonly kind: 'text'; readonly text: string}
  | {readonly kind: 'print'; readonly call: Call; readonly at: string}
  | {
      readonly kind: 'range' | 'if';
      readonly over: Call;
      readonly body: readonly Block[];
      readonly otherwise: readonly Block[];
      readonly at: string;
    };

/** A function with its operands, or a single operand. */
export interface Call {
  readonly name: FunctionName | undefined;
  readonly operands: readonly Operand[];
}

export type Operand =
  | {readonly kind: 'literal'; readonly value: string | number | boolean}
  | {readonly kind: 'path'; readonly from: 'dot' | 'root' | Call; readonly names: readonly string[]};

const FUNCTIONS = ['printf', 'index', 'join'] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

const WORDS = /"(?:\\.|[^"\\])*"|`[^`]*`|[()|]|[^\s()|"`]+/g;

interface Piece {
  readonly text: string;
  readonly isAction: boolean;
  readonly line: number;
}

export function parseBlocks(template: string): readonly Block[] {
  const parser = new Parser(pieces(template));
  const blocks = parser.blocks();
  parser.expectEnd();
  return blocks;
}

function pieces(template: string): readonly Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const match of template.matchAll(/\{\{(- )?([\s\S]*?)( -)?\}\}/g)) {
    const [whole, trimBefore, action = '', trimAfter] = match;
    let text = template.slice(at, match.index);
    if (trimBefore !== undefined) text = text.trimEnd();
    const line = template.slice(0, match.index).split('\n').length;
    if (text !== '') found.push({text, isAction: false, line});
    const isComment = /^\s*\/\*[\s\S]*\*\/\s*$/.test(action);
    if (!isComment) found.push({text: action.trim(), isAction: true, line});
    at = match.index + whole.length;
    if (trimAfter !== undefined) at += /^\s*/.exec(template.slice(at))?.[0].length ?? 0;
  }
  const rest = template.slice(at);
  if (rest.includes('{{')) throw wrong(template.split('\n').length, 'unclosed action');
  if (rest !== '') found.push({text: rest, isAction: false, line: 0});
  return found;
}

export const wrong = (place: number | string, problem: string): Failure =>
  new Failure(`template: get:${place}: ${problem}`);

class Parser {
  readonly #pieces: readonly Piece[];
  #next = 0;

  constructor(all: readonly Piece[]) {
    this.#pieces = all;
  }

  /** Up to `end`, `else` or the end of the template. */
  blocks(): readonly Block[] {
    const blocks: Block[] = [];
    for (;;) {
      const piece = this.#pieces[this.#next];
      if (piece === undefined) return blocks;
      if (!piece.isAction) blocks.push({kind: 'text', text: piece.text});
      else if (/^(?:end|else)\b/.test(piece.text)) return blocks;
      else {
        this.#next++;
        blocks.push(this.#action(piece));
        continue;
      }
      this.#next++;
    }
  }

  expectEnd(): void {
    const piece = this.#pieces[this.#next];
    if (piece !== undefined) throw wrong(piece.line, `unexpected {{${piece.text}}}`);
  }

  #action({text, line}: Piece): Block {
    const [word = '', rest = ''] = splitWord(text);
    if (word === 'range' || word === 'if') return this.#control(word, rest, line);
    if (UNSUPPORTED.includes(word))
      throw wrong(line, `"${word}" is not supported: use fields, range, if, printf, index or join`);
    return {kind: 'print', call: parseCall(text, line), at: `${line}: <${text}>`};
  }

  #control(kind: 'range' | 'if', condition: string, line: number): Block {
    const over = parseCall(condition, line);
    const body = this.blocks();
    const piece = this.#pieces[this.#next++];
    if (piece === undefined) throw wrong(line, `{{${kind}}} has no {{end}}`);
    const at = `${line}: <${condition}>`;
    if (piece.text === 'end') return {kind, over, body, otherwise: [], at};
    const [, next = ''] = splitWord(piece.text);
    if (next.startsWith('if ') && kind === 'if')
      return {kind, over, body, otherwise: [this.#control('if', next.slice(3), piece.line)], at};
    if (next !== '') throw wrong(piece.line, `unexpected {{${piece.text}}}`);
    const otherwise = this.blocks();
    if (this.#pieces[this.#next++]?.text !== 'end') throw wrong(line, `{{${kind}}} has no {{end}}`);
    return {kind, over, body, otherwise, at};
  }
}

const UNSUPPORTED = ['with', 'define', 'template', 'block', 'break', 'continue'];

function splitWord(text: string): readonly [string, string] {
  const match = /^(\S+)\s*([\s\S]*)$/.exec(text);
  return [match?.[1] ?? '', match?.[2] ?? ''];
}

function parseCall(text: string, line: number): Call {
  const words = [...text.matchAll(WORDS)].map(([word]) => word);
  const [call, rest] = readCall(words, line);
  if (rest.length > 0) throw wrong(line, `unexpected "${rest[0]}"`);
  return call;
}

/** Words up to a closing bracket or the end; the rest is what follows. */
function readCall(words: readonly string[], line: number): readonly [Call, readonly string[]] {
  let rest = words;
  let name: FunctionName | undefined;
  const [first] = words;
  if (first !== undefined && /^[A-Za-z]\w*$/.test(first) && first !== 'true' && first !== 'false') {
    name = FUNCTIONS.find((known) => known === first);
    if (name === undefined)
      throw wrong(line, `function "${first}" is not supported: use fields, range, if, printf, index or join`);
    rest = words.slice(1);
  }
  const operands: Operand[] = [];
  while (rest.length > 0 && rest[0] !== ')') {
    const [operand, next] = readOperand(rest, line);
    operands.push(operand);
    rest = next;
  }
  if (name === undefined && operands.length !== 1)
    throw wrong(line, operands.length === 0 ? 'missing value for command' : 'a value cannot take arguments');
  return [{name, operands}, rest];
}

function readOperand(words: readonly string[], line: number): readonly [Operand, readonly string[]] {
  const [word = '', ...rest] = words;
  if (word === '(') {
    const [from, after] = readCall(rest, line);
    const [close, ...next] = after;
    if (close !== ')') throw wrong(line, 'unclosed left paren');
    const [path = ''] = next;
    const isPath = /^(?:\.\w+)+$/.test(path);
    return [{kind: 'path', from, names: isPath ? path.slice(1).split('.') : []}, isPath ? next.slice(1) : next];
  }
  if (word === '|') throw wrong(line, '"|" is not supported: put the value behind the function');
  if (word.startsWith('"')) return [{kind: 'literal', value: unquote(word, line)}, rest];
  if (word.startsWith('`')) return [{kind: 'literal', value: word.slice(1, -1)}, rest];
  if (/^-?\d+$/.test(word)) return [{kind: 'literal', value: Number(word)}, rest];
  if (word === 'true' || word === 'false') return [{kind: 'literal', value: word === 'true'}, rest];
  if (/^\$?(?:\.|(?:\.\w+)+)$/.test(word) || word === '$') return [pathOf(word), rest];
  throw wrong(line, `"${word}" is not supported: use fields, range, if, printf, index or join`);
}

function pathOf(word: string): Operand {
  const from = word.startsWith('$') ? 'root' : 'dot';
  return {
    kind: 'path',
    from,
    names: word
      .replace(/^\$/, '')
      .split('.')
      .filter((name) => name !== ''),
  };
}

function unquote(word: string, line: number): string {
  try {
    return JSON.parse(word) as string;
  } catch {
    throw wrong(line, `${word} is not a string`);
  }
}
