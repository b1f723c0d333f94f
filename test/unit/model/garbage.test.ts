/**
 * Thousands of broken, hostile and merely odd inputs: each is read or refused by name, nothing else is thrown, nothing
 * grows without bound, and whatever is read is written back as it was.
 */
import t from 'tap';
import {codeOf, type ErrorCode, messageOf} from '../../../src/lib/errors.ts';
import {isJsonObject, type JsonValue, parseJson, printJson} from '../../../src/lib/exact-json.ts';
import {
  decodeAffinity,
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  encodeAffinity,
  encodeBlock,
  encodeHandle,
  encodeIpamConfig,
} from '../../../src/model/ipam-records.ts';
import {parseKey} from '../../../src/model/keys.ts';
import type {ResourceKind} from '../../../src/model/kind.ts';
import {KINDS, kindOfPlural, requireKind} from '../../../src/model/kinds.ts';
import {parseWorkloadEndpointName, workloadEndpointName} from '../../../src/model/names.ts';
import {objectShape, type Shape} from '../../../src/model/schema.ts';
import {parseSelector} from '../../../src/model/selector/parser.ts';
import type {Violation} from '../../../src/model/violation.ts';
import {forAll, type Random} from '../../helpers/random.ts';
import {readStored} from './captured.ts';

const stored = readStored('stored.jsonl');

/** How many inputs each test makes; TEST_RUNS for all of them together, 100000 for the whole of it. */
const ALL_RUNS = Number(process.env.TEST_RUNS ?? 8000);
const share = (part: number): number => Math.round(ALL_RUNS * part);

/** What `run` gives, or undefined when it refuses with one of the codes. Anything else thrown is a defect. */
function unlessRefused<T>(run: () => T, ...codes: readonly ErrorCode[]): T | undefined {
  try {
    return run();
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined || !codes.includes(code)) throw error;
    if (messageOf(error).length > 20_000) throw new Error('the message is not bounded', {cause: error});
    if (code === 'E_INVALID_RESOURCE') checkNamed(error);
    return undefined;
  }
}

/** Every violation says where, and what is asked for; the first is what other programs see. */
function checkNamed(error: unknown): void {
  const {violations} = (error as {context: {violations: readonly Violation[]}}).context;
  const isNamed = ({path, rule, value}: Violation) =>
    path.length <= 128 && (value?.length ?? 0) <= 1000 && /^(?:must |is |has )/.test(rule);
  if (violations.length === 0 || !violations.every(isNamed))
    throw new Error('path, value or rule is missing', {cause: error});
}

const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'name',
  'spec',
  'metadata',
  'labels',
  'cidr',
  '0',
  '',
  'a/b',
  'ü',
  '\u0000',
  'resourceVersion',
];
const SCALARS = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '1e400',
  '1e21',
  '-1',
  '26',
  '1.5',
  '18446744073709551615',
  '9007199254740993',
  '""',
  '"x"',
  '"10.0.0.0/16"',
  '"\\u2028<&>"',
  '"\\ud800"',
  '[]',
  '{}',
  '[null]',
  '{"__proto__":{"polluted":true}}',
  `"${'y'.repeat(5000)}"`,
  `${'['.repeat(200)}${']'.repeat(200)}`,
];

function randomJson(random: Random, depth: number): string {
  if (depth === 0 || random.chance(0.5)) return random.pick(SCALARS);
  const parts = Array.from({length: random.below(4)}, () => randomJson(random, depth - 1));
  if (random.chance()) return `[${parts.join(',')}]`;
  return `{${parts.map((part) => `${JSON.stringify(random.pick(NAMES))}:${part}`).join(',')}}`;
}

/** A captured value in which one scalar, key or stretch of text was replaced. */
function mutate(random: Random, text: string): string {
  const places = [...text.matchAll(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null|\d+)\b/g)];
  const place = places.length === 0 ? undefined : random.pick(places);
  if (place === undefined || random.chance(0.1)) return text.slice(0, random.below(text.length));
  const replacement = random.chance(0.3) ? JSON.stringify(random.pick(NAMES)) : randomJson(random, 2);
  return text.slice(0, place.index) + replacement + text.slice(place.index + place[0].length);
}

/** The text as it must be written back. */
function expectedBytes(text: string): string {
  const value = parseJson(text);
  if (!isJsonObject(value) || !isJsonObject(value.metadata)) return printJson(value);
  const metadata: Record<string, JsonValue | undefined> = Object.assign(Object.create(null), value.metadata);
  delete metadata.resourceVersion;
  delete metadata.selfLink;
  return printJson({...value, metadata});
}

/** The kind that is stored there, or any. */
function kindOfKey(random: Random, key: string): ResourceKind {
  const parsed = parseKey(key);
  return (parsed?.kind === 'resource' ? kindOfPlural(parsed.plural) : undefined) ?? random.pick(KINDS);
}

void t.test('resources: read and written back, or refused', async (t) => {
  let read = 0;
  await forAll(share(0.45), (random) => {
    const {key, value} = random.pick(stored);
    const kind = kindOfKey(random, key);
    const text = random.chance(0.8) ? mutate(random, value) : randomJson(random, 4);
    const resource = unlessRefused(() => kind.decode(text, key), 'E_BAD_JSON', 'E_INVALID_RESOURCE');
    if (resource === undefined) return;
    read++;
    const bytes = kind.encode(resource);
    if (bytes !== expectedBytes(text)) throw new Error(`${text} became ${bytes}`);
    kind.check(resource);
    const complete = unlessRefused(() => kind.complete(resource), 'E_INVALID_RESOURCE');
    if (complete === undefined) return;
    const again = kind.encode(kind.complete(kind.decode(kind.encode(complete), key)));
    if (again !== kind.encode(complete)) throw new Error(`completing is not stable: ${kind.encode(complete)} ${again}`);
  });
  t.ok(read > share(0.05), `${read} were readable`);
});

void t.test('input: accepted or refused', async (t) => {
  await forAll(share(0.35), (random) => {
    const {key, value} = random.pick(stored);
    const text = random.chance(0.7) ? mutate(random, value) : randomJson(random, 5);
    const input = unlessRefused(() => parseJson(text), 'E_BAD_JSON');
    const kind = random.chance(0.8) ? kindOfKey(random, key) : random.pick(KINDS);
    const resource = unlessRefused(() => kind.create(input), 'E_INVALID_RESOURCE');
    if (resource !== undefined && kind.encode(kind.create(kind.toJson(resource))) !== kind.encode(resource))
      throw new Error(`creating again differs: ${text}`);
  });
  for (const odd of [
    undefined,
    null,
    1,
    Symbol('x'),
    new Date(),
    new Map(),
    () => 1,
    [],
    10n,
    Object.create({inherited: 1}),
  ]) {
    for (const kind of KINDS) t.throws(() => kind.create(odd), {code: 'E_INVALID_RESOURCE'});
    for (const kind of KINDS)
      t.throws(() => kind.create({metadata: {name: 'x'}, spec: odd ?? 1}), {code: 'E_INVALID_RESOURCE'});
  }
});

void t.test('IPAM records: read and written back, or refused', async (t) => {
  const codecs = {
    block: (text: string) => encodeBlock(decodeBlock(text)),
    affinity: (text: string) => encodeAffinity(decodeAffinity(text)),
    handle: (text: string) => encodeHandle(decodeHandle(text)),
    'ipam-config': (text: string) => encodeIpamConfig(decodeIpamConfig(text)),
  };
  const records = stored.flatMap(({key, value}) => {
    const kind = parseKey(key)?.kind;
    return kind === 'block' || kind === 'affinity' || kind === 'handle' || kind === 'ipam-config'
      ? [{kind, value}]
      : [];
  });
  let read = 0;
  await forAll(share(0.1), (random) => {
    const {kind, value} = random.pick(records);
    const text = random.chance(0.9) ? mutate(random, value) : randomJson(random, 3);
    const bytes = unlessRefused(() => codecs[kind](text), 'E_BAD_JSON', 'E_INVALID_RESOURCE');
    if (bytes === undefined) return;
    read++;
    if (bytes !== text) throw new Error(`${text} became ${bytes}`);
  });
  t.ok(read > share(0.01), `${read} were readable`);
});

const WORDS = [
  'a',
  'has(',
  'has',
  'all()',
  'global()',
  '(',
  ')',
  '{',
  '}',
  ',',
  '==',
  '!=',
  '&&',
  '||',
  '!',
  ' in ',
  ' not in ',
  'contains',
  'starts with',
  ' ends  with ',
  '"x"',
  "'y\"'",
  ' ',
  '\t',
  '\n',
  '=',
  '&',
  '"',
  'é',
  '__proto__',
  '-',
  '.',
];

void t.test('selectors: parsed or refused; canonical text means the same', async (t) => {
  const labels = [
    new Map(),
    new Map([['a', 'x']]),
    new Map([
      ['a', 'y"'],
      ['has', 'x'],
    ]),
  ];
  let parsed = 0;
  await forAll(share(0.1), (random) => {
    const text = Array.from({length: random.below(10)}, () => random.pick(WORDS)).join('');
    const selector = unlessRefused(() => parseSelector(text), 'E_BAD_SELECTOR');
    if (selector === undefined) return;
    parsed++;
    const canonical = parseSelector(selector.canonical);
    if (canonical.id !== selector.id) throw new Error(`${text}: ${selector.canonical} is not a fixed point`);
    for (const map of labels)
      if (selector.matches(map) !== canonical.matches(map)) throw new Error(`${text} and ${selector.canonical} differ`);
  });
  t.ok(parsed > 3, `${parsed} were selectors`);
});

void t.test('names of endpoints: parsed is what was composed', async (t) => {
  const letters = ['a', '-', '.', '0', '--'];
  const word = (random: Random) => Array.from({length: 1 + random.below(4)}, () => random.pick(letters)).join('');
  let composed = 0;
  await forAll(2000, (random) => {
    const identity = {node: word(random), orchestrator: 'k8s', pod: word(random), endpoint: word(random)};
    const name = workloadEndpointName(identity);
    if (name === undefined) return;
    composed++;
    const parts = parseWorkloadEndpointName(name);
    if (parts?.node !== identity.node || parts.workload !== identity.pod || parts.endpoint !== identity.endpoint)
      throw new Error(`${JSON.stringify(identity)} became ${name}`);
  });
  t.ok(composed > 80, `${composed} were names`);
  for (const bad of ['', '-', '--', 'a', 'a-b-c', 'a-b-c-d-e', 'a--b--c--d', 'a-b--', '-a-b-c-d'.repeat(1000)])
    t.equal(parseWorkloadEndpointName(bad), undefined, bad.slice(0, 20));
});

void t.test('no field takes long to judge, whatever text stands in it', async (t) => {
  // One that takes the square of this would never end.
  const bombs = ['1', 'a-', 'a.', '1:', '(', '1s', 'a=b,', '(a*)*', 'a/', 'a == "b" && '].map((part) =>
    part.repeat(60_000 / part.length),
  );
  let judged = 0;
  const judge = (shape: Shape): void => {
    if (shape.type === 'object') for (const field of shape.fields.values()) judge(field.shape);
    else if (shape.type === 'list' || shape.type === 'map') judge(shape.element);
    else if (shape.type === 'leaf' && shape.accepts.includes('string')) {
      judged++;
      for (const bomb of bombs) shape.schema.safeParse(bomb);
    }
  };
  for (const kind of KINDS) judge(objectShape(kind.schema));
  t.ok(judged > 300, `${judged} fields`);
  const metadata = {name: 'x', labels: {[bombs[1] ?? '']: bombs[2]}, annotations: {[bombs[0] ?? '']: 'x'}};
  for (const kind of KINDS)
    t.throws(() => kind.create({metadata: {...metadata, name: bombs[1], namespace: bombs[2]}}), {
      code: 'E_INVALID_RESOURCE',
    });
});

void t.test('size and depth are bounded', async (t) => {
  const policy = requireKind('gnp');
  const rules = (count: number) => ({metadata: {name: 'x'}, spec: {ingress: Array.from({length: count}, () => ({}))}});
  t.throws(() => policy.create(rules(300_000)), {
    message: 'GlobalNetworkPolicy "x": spec.ingress = a list of 300000: must have at most 1024 entries',
  });
  const nets = Array.from({length: 1_100_000}, () => '10.0.0.0/8');
  t.throws(() => requireKind('networkset').create({metadata: {name: 'x', namespace: 'n'}, spec: {nets}}), {
    message: /has more than 1000000 values/,
  });
  const text = `{"kind":"GlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"x"},"spec":{"ingress":[${'{},'.repeat(400_000)}{}]}}`;
  t.throws(() => policy.decode(text, policy.key({name: 'x'})), {message: /has more than 1000000 values/});
  for (const nested of ['['.repeat(100_000), '{"a":'.repeat(100_000)])
    t.throws(() => policy.decode(nested, policy.key({name: 'x'})), {code: 'E_BAD_JSON'});
  let deep: Record<string, unknown> = {};
  for (let i = 0; i < 100_000; i++) deep = {ingress: [deep]};
  for (const kind of KINDS)
    t.throws(() => kind.create({metadata: {name: 'x', ownerReferences: [deep]}}), {code: 'E_INVALID_RESOURCE'});
  t.throws(() => policy.create({metadata: {name: 'x'}, spec: {selector: `a == "${'x'.repeat(100_000)}"`}}), {
    message: /spec\.selector = ".{1,130}: must have at most 65536 characters/,
  });
});

void t.test('no prototype was touched', async (t) => {
  t.equal(Reflect.get({}, 'polluted'), undefined);
  t.same(Object.keys(Object.prototype), []);
});
