/** Filling in a template. Values travel with the shape that says which fields they may have. */
import type {ObjectShape, Shape} from '../../model/schema.ts';
import {objectShape} from '../../model/schema.ts';
import type {Result} from '../resource-reader.ts';
import {formatGoFloat} from './go-number.ts';
import {type Block, type Call, type Operand, wrong} from './template-parser.ts';

interface Value {
  readonly value: unknown;
  /** Undefined for what no schema describes. */
  readonly shape: Shape | undefined;
}

/** Go embeds these in every resource: their fields can be named without them. */
const EMBEDDED = new Map([
  ['objectmeta', 'metadata'],
  ['listmeta', 'metadata'],
]);

export class TemplateRun {
  #root: Value = {value: [], shape: undefined};

  fill(blocks: readonly Block[], results: readonly Result[]): string {
    this.#root = {value: results.map(resultValue), shape: undefined};
    return this.#fill(blocks, this.#root);
  }

  #fill(blocks: readonly Block[], dot: Value): string {
    return blocks.map((block) => this.#block(block, dot)).join('');
  }

  #block(block: Block, dot: Value): string {
    switch (block.kind) {
      case 'text':
        return block.text;
      case 'print':
        return textOf(this.#call(block.call, dot, block.at));
      case 'if':
        return this.#fill(isTrue(this.#call(block.over, dot, block.at)) ? block.body : block.otherwise, dot);
      case 'range': {
        const items = elementsOf(this.#call(block.over, dot, block.at), block.at);
        if (items.length === 0) return this.#fill(block.otherwise, dot);
        return items.map((item) => this.#fill(block.body, item)).join('');
      }
    }
  }

  #call({name, operands}: Call, dot: Value, at: string): Value {
    const values = operands.map((operand) => this.#operand(operand, dot, at));
    const [first, ...rest] = values;
    if (first === undefined) throw wrong(at, 'missing arguments');
    switch (name) {
      case undefined:
        return first;
      case 'printf':
        return plain(printf(textOf(first), rest, at));
      case 'join':
        return plain(elementsOf(first, at).map(textOf).join(rest.map(textOf).join('')));
      case 'index':
        return rest.reduce((value, key) => indexed(value, key, at), first);
    }
  }

  #operand(operand: Operand, dot: Value, at: string): Value {
    if (operand.kind === 'literal') return plain(operand.value);
    const {from, names} = operand;
    const start = from === 'dot' ? dot : from === 'root' ? this.#root : this.#call(from, dot, at);
    return names.reduce((value, name) => fieldOf(value, name, at), start);
  }
}

const plain = (value: unknown): Value => ({value, shape: undefined});

/** A Go list object, or the resource itself. */
function resultValue({kind, views, whole}: Result): Value {
  const shape = objectShape(kind.schema);
  if (!Array.isArray(views)) return {value: views, shape};
  const items: Value = {value: views, shape: {type: 'list', element: shape, rules: undefined}};
  return plain({...whole, items});
}

function fieldOf(target: Value, name: string, at: string): Value {
  const {value, shape} = isValue(target.value) ? target.value : target;
  const key = EMBEDDED.get(name.toLowerCase()) ?? name.toLowerCase();
  if (shape?.type === 'object') return shapedField(value, shape, key, name, at);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const own = Object.keys(value).find((known) => known.toLowerCase() === key);
    if (own !== undefined) return asValue(Reflect.get(value, own));
  }
  throw wrong(at, `can't evaluate field ${name}`);
}

function shapedField(value: unknown, shape: ObjectShape, key: string, name: string, at: string): Value {
  for (const field of shape.fields.values()) {
    if (field.name.toLowerCase() !== key) continue;
    const found = typeof value === 'object' && value !== null ? Reflect.get(value, field.name) : undefined;
    return {value: found, shape: field.shape};
  }
  const metadata = shape.fields.get('metadata');
  if (metadata?.shape.type === 'object' && metadata.shape.fields.has(key))
    return fieldOf({value: Reflect.get(value as object, 'metadata'), shape: metadata.shape}, name, at);
  throw wrong(at, `can't evaluate field ${name}`);
}

const isValue = (value: unknown): value is Value =>
  typeof value === 'object' && value !== null && 'value' in value && 'shape' in value;

const asValue = (value: unknown): Value => (isValue(value) ? value : plain(value));

/** What `range` goes through: a list, or a map in the order of its keys. */
function elementsOf(target: Value, at: string): readonly Value[] {
  const {value, shape} = target;
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) {
    const element = shape?.type === 'list' ? shape.element : undefined;
    return value.map((item: unknown) => (isValue(item) ? item : {value: item, shape: element}));
  }
  if (typeof value === 'object' && shape?.type === 'map')
    return Object.keys(value)
      .sort()
      .map((key) => ({value: Reflect.get(value, key), shape: shape.element}));
  throw wrong(at, `range can't iterate over ${textOf(target)}`);
}

function indexed(target: Value, key: Value, at: string): Value {
  if (typeof key.value === 'number') {
    const item = elementsOf(target, at)[key.value];
    if (item === undefined) throw wrong(at, `error calling index: index out of range: ${key.value}`);
    return item;
  }
  const {value, shape} = target;
  if (value === undefined || value === null) return plain('');
  if (typeof value !== 'object' || Array.isArray(value))
    throw wrong(at, 'error calling index: cannot index this value');
  const name = textOf(key);
  const element = shape?.type === 'map' ? shape.element : undefined;
  return {value: Object.hasOwn(value, name) ? Reflect.get(value, name) : '', shape: element};
}

function isTrue({value}: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

function textOf(target: Value): string {
  const {value, shape} = target;
  if (value === undefined || value === null)
    return shape?.type === 'leaf' && shape.accepts.includes('string') ? '' : '<nil>';
  if (typeof value === 'number' && !Number.isInteger(value)) return formatGoFloat(value);
  if (Array.isArray(value)) return `[${elementsOf(target, '').map(textOf).join(' ')}]`;
  if (typeof value === 'object' && shape?.type === 'map')
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${String(Reflect.get(value, key))}`)
      .join(' ')}]`;
  return typeof value === 'string'
    ? value
    : JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each));
}

/** `%s`, `%v`, `%d` and `%q`, each with a width: `%-20s`. */
function printf(format: string, values: readonly Value[], at: string): string {
  let next = 0;
  const text = format.replace(/%(-?)(\d*)([a-zA-Z%])/g, (_, minus: string, width: string, verb: string) => {
    if (verb === '%') return '%';
    const value = values[next++];
    if (!'svdq'.includes(verb)) throw wrong(at, `printf verb %${verb} is not supported: use %s, %v, %d or %q`);
    if (value === undefined) return `%!${verb}(MISSING)`;
    const shown = verb === 'q' ? JSON.stringify(textOf(value)) : textOf(value);
    return minus === '' ? shown.padStart(Number(width)) : shown.padEnd(Number(width));
  });
  return text;
}
