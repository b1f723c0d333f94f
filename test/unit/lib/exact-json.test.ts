/** Exact JSON: what Calico wrote comes back byte for byte, and nothing that Go refuses or changes passes silently. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import t from 'tap';
import {
  emptyObject,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  parseJsonObject,
  printJson,
} from '../../../src/lib/exact-json.ts';
import {liveHeapBytes} from '../../helpers/heap.ts';
import {forAll, type Random} from '../../helpers/random.ts';

const storedValues = readFileSync(new URL('../../fixtures/model/stored.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => (JSON.parse(line) as {value: string}).value);

void t.test('every value that Calico stored is printed as it was read', async (t) => {
  t.equal(storedValues.length, 375);
  for (const text of storedValues) t.equal(printJson(parseJson(text)), text);
});

void t.test('integers stay exact', async (t) => {
  const text =
    '{"sequenceNumber":1763715076123456789,"sequenceNumberForAllocation":{"0":1763715076123456790,"10":1,"2":2}}';
  const block = parseJsonObject(text);
  t.equal(block.sequenceNumber, 1763715076123456789n);
  t.equal(printJson(block), text);
  for (const [literal, value] of [
    ['0', 0],
    ['-1', -1],
    ['9007199254740991', 9007199254740991],
    ['-9007199254740991', -9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['9007199254740993', 9007199254740993n],
    ['-9007199254740993', -9007199254740993n],
    ['18446744073709551615', 18446744073709551615n],
  ] as const) {
    t.equal(parseJson(literal), value);
    t.equal(printJson(value), literal);
  }
  t.ok(Object.is(parseJson('-0'), -0) && printJson(-0) === '-0');
});

void t.test('fractions and exponents are numbers in the form of Go', async (t) => {
  for (const [literal, printed] of [
    ['1.5', '1.5'],
    ['1.0', '1'],
    ['1e3', '1000'],
    ['1E+2', '100'],
    ['1e20', '100000000000000000000'],
    ['1e21', '1e+21'],
    ['0.000001', '0.000001'],
    ['0.0000001', '1e-7'],
    ['1e-400', '0'],
    ['123456789012345678901234567890.0', '1.2345678901234568e+29'],
  ] as const) {
    t.equal(printJson(parseJson(literal)), printed, literal);
  }
  t.throws(() => printJson(Number.NaN));
  t.throws(() => printJson(Number.POSITIVE_INFINITY));
});

void t.test('text is escaped as Go escapes it', async (t) => {
  for (const [value, printed] of [
    ['<a href="x">&</a>', '"\\u003ca href=\\"x\\"\\u003e\\u0026\\u003c/a\\u003e"'],
    ['\u2028\u2029', '"\\u2028\\u2029"'],
    ['\b\f\n\r\t\\/', '"\\b\\f\\n\\r\\t\\\\/"'],
    ['\u0000\u001f\u007f\u0080', '"\\u0000\\u001f\u007f\u0080"'],
    ['é日本😀\u2027\u202a', '"é日本😀\u2027\u202a"'],
    ['\ud800x\udc00', '"\ufffdx\ufffd"'],
  ] as const) {
    t.equal(printJson(value), printed);
  }
  t.equal(printJson(Object.assign(emptyObject(), {'a<b': 1})), '{"a\\u003cb":1}', 'keys too');
  t.equal(parseJson('"\\ud83d\\ude00\\u0041\\/"'), '😀A/');
  t.equal(parseJson('"\\ud800 and \\udc00"'), '\ufffd and \ufffd', 'unpaired surrogates as Go reads them');
});

void t.test('keys are data, whatever they are called', async (t) => {
  const text = '{"__proto__":{"x":1},"constructor":"c","toString":null,"hasOwnProperty":[]}';
  const value = parseJsonObject(text);
  t.equal(Object.getPrototypeOf(value), null);
  t.same(Object.keys(value), ['__proto__', 'constructor', 'toString', 'hasOwnProperty']);
  t.notOk('valueOf' in value);
  t.same(Object.values(value)[0], {x: 1});
  t.equal(({} as Record<string, unknown>).x, undefined, 'nothing else got a property');
  t.equal(printJson(value), text);
});

void t.test('the last of equal keys wins', async (t) => {
  t.equal(printJson(parseJson('{"a":1,"b":2,"a":{"c":3}}')), '{"a":{"c":3},"b":2}');
});

void t.test('order of keys', async (t) => {
  t.equal(printJson(parseJson('{"b":1,"a":2,"":3}')), '{"b":1,"a":2,"":3}', 'as it was read');
  t.equal(printJson(parseJson('{"10":1,"9":2,"1":3}')), '{"1":3,"10":1,"9":2}', 'a map of numbers by bytes');
  t.equal(printJson(parseJson('{"b":1,"7":2,"B":3}')), '{"7":2,"B":3,"b":1}', 'a map with one number by bytes');
  t.equal(printJson(parseJson('{"b":1,"007":2,"-1":3}')), '{"b":1,"007":2,"-1":3}', 'not index-like');
  t.equal(printJson(parseJson('{"b":1,"4294967295":2}')), '{"b":1,"4294967295":2}', 'beyond an index: kept in order');
  t.equal(printJson(parseJson('{"4294967294":2,"b":1,"30":0}')), '{"30":0,"4294967294":2,"b":1}');
  t.equal(printJson(parseJson('{"4294967295":2,"b":1,"a":0}')), '{"4294967295":2,"b":1,"a":0}');
  t.equal(printJson({a: undefined, b: 1}), '{"b":1}', 'an undefined property is absent');
});

void t.test('what is not JSON is refused with its place', async (t) => {
  const refused: readonly (readonly [string, number])[] = [
    ['', 0],
    ['  ', 2],
    ['nul', 0],
    ['True', 0],
    ['{', 1],
    ['{"a"}', 4],
    ['{"a":}', 5],
    ['{"a":1,}', 7],
    ['{a:1}', 1],
    ['{"a":1 "b":2}', 7],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['[', 1],
    ['1 2', 2],
    ['{} x', 3],
    ['01', 1],
    ['-', 0],
    ['+1', 0],
    ['1.', 1],
    ['.5', 0],
    ['1e', 1],
    ['0x10', 1],
    ['NaN', 0],
    ['Infinity', 0],
    ['1e400', 0],
    [`1${'0'.repeat(400)}`, 0],
    ['"abc', 4],
    ['"a\nb"', 2],
    ['"a\u0000b"', 2],
    ['"a\u001fb"', 2],
    ['"\\x41"', 0],
    ['"\\u12g4"', 0],
    ['"\\', 3],
    ["'a'", 0],
    ['\ufeff{}', 0],
    ['\u00a01', 0],
    ['// c\n1', 0],
    ['{"a":[1,{"b":tru}]}', 13],
  ];
  for (const [text, position] of refused) {
    t.throws(() => parseJson(text), {code: 'E_BAD_JSON', context: {position}}, JSON.stringify(text));
    t.throws(() => JSON.parse(text === '1e400' || text.length > 100 ? '!' : text), 'JSON.parse agrees');
  }
  t.throws(() => parseJson('{\n  "a": x\n}'), {context: {line: 2, column: 8}, message: /line 2, column 8/});
  for (const text of ['[]', '1', 'null', '"a"']) t.throws(() => parseJsonObject(text), {code: 'E_BAD_JSON'});
});

void t.test('depth and length are limited', async (t) => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  t.ok(parseJson(nested(128)));
  t.throws(() => parseJson(nested(129)), {code: 'E_BAD_JSON', message: /deeper than 128/});
  t.throws(() => parseJson(nested(1_000_000)), {code: 'E_BAD_JSON'}, 'no stack overflow');
  t.throws(() => parseJson('{"a":'.repeat(1_000_000)), {code: 'E_BAD_JSON'});
  t.ok(parseJson(`[${'[],'.repeat(1000)}[]]`, {maxDepth: 2}), 'depth is nesting, not number');
  t.throws(() => parseJson('[[[]]]', {maxDepth: 2}), {code: 'E_BAD_JSON'});
  t.throws(() => parseJson('12345', {maxLength: 4}), {code: 'E_BAD_JSON', context: {length: 5, maxLength: 4}});
});

void t.test('a string that is kept does not keep the text it came from', async (t) => {
  const padding = 'x'.repeat(100_000);
  const labels: unknown[] = [];
  const read = (i: number) => parseJsonObject(`{"name":"a name of some length ${i}","rest":"${padding}"}`).name;
  labels.push(read(0));
  const before = liveHeapBytes();
  for (let i = 1; i <= 100; i++) labels.push(read(i));
  const grownBytes = liveHeapBytes() - before;
  t.equal(labels.length, 101);
  t.ok(grownBytes < 2 ** 20, `100 names out of 10 MB of text hold ${grownBytes} bytes`);
});

void t.test('objects need hardly more memory than those of JSON.parse', async (t) => {
  const held = (parse: (text: string) => unknown): number => {
    const all: unknown[] = [];
    const read = () => all.push(...storedValues.map(parse));
    read();
    const before = liveHeapBytes();
    for (let i = 0; i < 20; i++) read();
    return (liveHeapBytes() - before) / all.length;
  };
  const [ours, plain] = [held((text) => parseJson(text)), held((text) => JSON.parse(text))];
  t.ok(ours < 2 * plain, `${ours} bytes for a stored value, beside ${plain}`);
  t.equal(Object.getPrototypeOf(parseJson('{}')), null);
});

/** A value and a text of it with arbitrary white space. */
function randomValue(random: Random, depth: number): JsonValue {
  const kind = random.below(depth === 0 ? 6 : 8);
  switch (kind) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return random.pick([0, -1, 1.5, random.between(-1e6, 1e6), random.next() * 1e-9, random.next() * 1e30]);
    case 2:
      return BigInt(random.below(2 ** 53)) * 4096n + 2n ** 54n;
    case 3:
    case 4:
    case 5:
      return randomText(random);
    case 6:
      return Array.from({length: random.below(5)}, () => randomValue(random, depth - 1));
    default: {
      const object = emptyObject();
      for (let i = random.below(6); i > 0; i--) object[randomText(random)] = randomValue(random, depth - 1);
      return object;
    }
  }
}

const randomText = (random: Random): string =>
  Array.from({length: random.below(20)}, () =>
    random.pick(['a', 'Z', '7', '0', '"', '\\', '/', '<', '\n', '\u0001', '\u2028', 'é', '😀', '__proto__', ' ']),
  ).join('');

void t.test('any value survives printing and parsing, and JSON.parse reads the same', () =>
  forAll(2000, (random) => {
    const value = randomValue(random, 4);
    const text = printJson(value);
    const back = parseJson(text);
    assert.equal(printJson(back), text);
    assertSame(back, value, text);
    assert.doesNotMatch(text, /[<>&\u2028\u2029\n]/);
    assert.equal(JSON.stringify(withoutBigints(back)), JSON.stringify(withoutBigints(JSON.parse(text) as JsonValue)));
  }),
);

void t.test('white space is accepted wherever JSON allows it', () =>
  forAll(500, (random) => {
    const value = randomValue(random, 3);
    const pretty = JSON.stringify(withoutBigints(value), null, random.pick([1, '\t', '  ']));
    const wide = `\r\n ${pretty.replaceAll('\n', random.pick(['\n', '\r\n', '\n\t ']))} \t`;
    assert.equal(printJson(parseJson(wide)), printJson(withoutBigints(value)));
  }),
);

void t.test('a damaged text is refused exactly when JSON.parse refuses it', () =>
  forAll(3000, (random) => {
    const chars = printJson(randomValue(random, 3)).split('');
    for (let edits = random.between(1, 3); edits > 0; edits--) {
      chars.splice(
        random.below(chars.length + 1),
        random.below(2),
        random.pick(['', '{', '}', '[', ']', ',', ':', '"', '\\', '1', '-', 'e', '.', ' ', 'u']),
      );
    }
    const text = chars.join('');
    const outcome = (parse: (text: string) => unknown) => {
      try {
        parse(text);
        return 'accepted';
      } catch (error) {
        assert.ok(
          error instanceof Error && (error.name === 'SyntaxError' || ('code' in error && error.code === 'E_BAD_JSON')),
        );
        return 'refused';
      }
    };
    const isBeyondFloat = /[0-9]{300}|[eE]\+?[0-9]{3}/.test(text);
    if (!isBeyondFloat) assert.equal(outcome(parseJson), outcome(JSON.parse), text);
  }),
);

function assertSame(actual: JsonValue | undefined, expected: JsonValue | undefined, text: string): void {
  if (isJsonObject(actual) && isJsonObject(expected)) {
    assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), text);
    for (const key of Object.keys(actual)) assertSame(actual[key], expected[key], text);
  } else if (Array.isArray(actual) && Array.isArray(expected)) {
    assert.equal(actual.length, expected.length, text);
    for (const [i, item] of actual.entries()) assertSame(item as JsonValue, expected[i] as JsonValue, text);
  } else assert.equal(numeric(actual), numeric(expected), text);
}

/** A float that prints without fraction or exponent is read back as the integer it is. */
const numeric = (value: JsonValue | undefined): unknown =>
  typeof value === 'number' && Number.isInteger(value) && Math.abs(value) >= 2 ** 53 ? BigInt(value) : value;

function withoutBigints(value: JsonValue): JsonValue {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map((item) => withoutBigints(item as JsonValue));
  if (!isJsonObject(value)) return value;
  const object = emptyObject();
  for (const [key, item] of Object.entries(value as JsonObject))
    if (item !== undefined) object[key] = withoutBigints(item);
  return object;
}
