import {readFileSync} from 'node:fs';
import t from 'tap';
import {hasCode} from '../../../src/lib/errors.ts';
import * as protocol from '../../../src/native/shim-protocol.ts';
import {type DelegateOutcome, encodeFrame, type Frame, FrameDecoder} from '../../../src/native/shim-protocol.ts';
import {forAll, type Random} from '../../helpers/random.ts';

const decode = (bytes: Uint8Array): Frame | undefined => {
  const decoder = new FrameDecoder();
  decoder.push(bytes);
  return decoder.next();
};
const refused = (operation: () => unknown): boolean => {
  try {
    operation();
    return false;
  } catch (error) {
    if (hasCode(error, 'E_SHIM_PROTOCOL')) return true;
    throw error;
  }
};

const bytes = (random: Random, most: number): Uint8Array =>
  Uint8Array.from({length: random.below(most)}, () => random.below(256));
const word = (random: Random): string =>
  random.pick(['', 'a', 'IP=10.0.0.1;K8S=x', '=', '\n"', 'ü', '\u{10ffff}', '\ufeff', 'x'.repeat(3000)]);

function anyOutcome(random: Random): DelegateOutcome {
  return random.pick<DelegateOutcome>([
    {kind: 'exited', exitCode: random.below(256)},
    {kind: 'signalled', signal: random.between(1, 64)},
    {kind: 'timed-out'},
    {kind: 'not-started', errno: random.between(1, 133)},
    {kind: 'output-too-long'},
  ]);
}

function anyFrame(random: Random): Frame {
  const environment = new Map(
    random
      .shuffle(['CNI_COMMAND', 'CNI_ARGS', 'CNI_PATH', 'CNI_NETNS'])
      .slice(random.below(5))
      .map((name) => [name, word(random)]),
  );
  const output = {stdout: bytes(random, 300), stderr: bytes(random, 300)};
  return random.pick<() => Frame>([
    () => ({
      kind: 'request',
      program: random.pick(['calico', 'calico-ipam'] as const),
      ...(random.chance() ? {argument: '-t'} : {}),
      environment,
      stdin: bytes(random, 2000),
      netns: random.pick([
        {kind: 'absent'},
        {kind: 'attached'},
        {kind: 'failed', errno: random.between(1, 133)},
      ] as const),
    }),
    () => ({kind: 'result', exitCode: random.below(256), ...output}),
    () => ({
      kind: 'delegate',
      program: `x${word(random)}`,
      environment,
      stdin: bytes(random, 2000),
      timeLimitMs: random.between(1, 60_000),
    }),
    () => ({kind: 'delegated', outcome: anyOutcome(random), ...output}),
  ])();
}

void t.test('the numbers are those of the C header', async (t) => {
  const header = readFileSync(new URL('../../../native/shim/protocol.h', import.meta.url), 'utf8');
  const inC = new Map(
    Array.from(
      header.matchAll(/^ {2}([A-Z_]+) = (0x[0-9a-f]+|\d+)/gm),
      ([, name = '', value]) => [name, Number(value)] as const,
    ),
  );
  const {MAGIC, VERSION, HEADER_SIZE, FIELD_HEADER_SIZE, LIMITS, FRAME, FIELD, OUTCOME} = protocol;
  const prefixed = (prefix: string, values: Readonly<Record<string, number>>): [string, number][] =>
    Object.entries(values).map(([name, value]) => [`${prefix}_${name}`, value]);
  t.strictSame(
    Object.fromEntries(inC),
    Object.fromEntries([
      ['PROTOCOL_MAGIC', MAGIC],
      ['PROTOCOL_VERSION', VERSION],
      ['HEADER_SIZE', HEADER_SIZE],
      ['FIELD_HEADER_SIZE', FIELD_HEADER_SIZE],
      ...Object.entries(LIMITS),
      ...prefixed('FRAME', FRAME),
      ...prefixed('FIELD', FIELD),
      ...prefixed('OUTCOME', OUTCOME),
    ]),
  );
});

void t.test('a frame is bytes that do not change', async (t) => {
  const frame = encodeFrame({kind: 'result', exitCode: 1, stdout: Buffer.from('{}'), stderr: new Uint8Array()});
  t.equal(
    Buffer.from(frame).toString('hex'),
    '43434e49' + '0001' + '0002' + '00000018' + '00060000000400000001' + '0007000000027b7d' + '000800000000',
  );
});

void t.test('every frame survives, however the stream is cut', async () => {
  await forAll(300, (random) => {
    const frames = Array.from({length: random.between(1, 4)}, () => anyFrame(random));
    const stream = Buffer.concat(frames.map(encodeFrame));
    const decoder = new FrameDecoder();
    const decoded: Frame[] = [];
    for (let at = 0; at < stream.length; ) {
      const size = random.chance() ? random.between(1, 20) : random.between(1, 5000);
      decoder.push(stream.subarray(at, at + size));
      at += size;
      for (let frame = decoder.next(); frame; frame = decoder.next()) decoded.push(frame);
    }
    if (decoder.pendingBytes !== 0) throw new Error('bytes left over');
    t.strictSame(plain(decoded), plain(frames));
  });
});

/** Bytes as text, so that the kind of array does not matter. */
const plain = (frames: readonly Frame[]): unknown[] =>
  frames.map((frame) =>
    Object.fromEntries(
      Object.entries(frame).map(([name, value]: [string, unknown]) => [
        name,
        value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
      ]),
    ),
  );

void t.test('damage is refused or is another frame, never anything else', async () => {
  await forAll(3000, (random) => {
    const stream = Buffer.from(encodeFrame(anyFrame(random)));
    for (let i = random.between(1, 3); i > 0; i--)
      stream[random.below(Math.min(stream.length, 60))] = random.below(256);
    const decoder = new FrameDecoder();
    refused(() => {
      decoder.push(stream);
      decoder.next();
    });
  });
});

void t.test('what is refused', async (t) => {
  const good = encodeFrame({kind: 'result', exitCode: 0, stdout: new Uint8Array(), stderr: new Uint8Array()});
  const patched = (at: number, ...values: number[]): Uint8Array => {
    const copy = Uint8Array.from(good);
    copy.set(values, at);
    return copy;
  };
  const request = (changes: Partial<protocol.ShimRequest>): Uint8Array =>
    encodeFrame({
      kind: 'request',
      program: 'calico',
      environment: new Map(),
      stdin: new Uint8Array(),
      netns: {kind: 'absent'},
      ...changes,
    });
  const text = new TextEncoder();
  const replaced = (from: string, to: string, frame: Uint8Array): Uint8Array => {
    const at = Buffer.from(frame).indexOf(from);
    const copy = Buffer.from(frame);
    copy.set(to.length === from.length ? Buffer.from(to, 'latin1') : text.encode(to), at);
    return copy;
  };
  const cases: Record<string, Uint8Array> = {
    'another magic': patched(0, 0),
    'another version': patched(4, 1),
    'an unknown type': patched(7, 5),
    'a length beyond the limit': patched(8, 0, 16, 0, 0),
    'a field beyond its frame': patched(15, 255),
    'an unknown field': patched(13, 77),
    'a field of another frame': patched(13, protocol.FIELD.OUTCOME),
    'an exit code of 256': patched(20, 1, 0),
    'an unknown program': replaced('calico', 'calicx', request({})),
    'an unknown argument': replaced('-t', '-x', request({argument: '-t'})),
    'a variable without a name': request({environment: new Map([['', 'x']])}),
    'a variable that is not ours': request({environment: new Map([['PATH', '/bin']])}),
    'a variable with a NUL': request({environment: new Map([['CNI_ARGS', '\0']])}),
    'a variable that is not UTF-8': replaced('xx', '\xff\xfe', request({environment: new Map([['CNI_ARGS', 'xx']])})),
    'variables without end': request({environment: new Map([['CNI_ARGS', 'x'.repeat(65_536)]])}),
    'a variable twice': replaced(
      'CNI_ARGT',
      'CNI_ARGS',
      request({
        environment: new Map([
          ['CNI_ARGS', ''],
          ['CNI_ARGT', ''],
        ]),
      }),
    ),
    'standard input beyond its limit': request({stdin: new Uint8Array(protocol.LIMITS.MAX_STDIN + 1)}),
    'a delegate that runs for ever': encodeFrame({
      kind: 'delegate',
      program: 'x',
      environment: new Map(),
      stdin: new Uint8Array(),
      timeLimitMs: 60_001,
    }),
  };
  for (const [name, frame] of Object.entries(cases))
    t.ok(
      refused(() => decode(frame)),
      name,
    );
  t.ok(
    refused(() => request({stdin: new Uint8Array(protocol.LIMITS.MAX_PAYLOAD)})),
    'a frame too long to send',
  );
  t.match(decode(request({stdin: new Uint8Array(protocol.LIMITS.MAX_STDIN)})), {kind: 'request'});
});

void t.test('a stream is bounded before anything of it is understood', async (t) => {
  const decoder = new FrameDecoder();
  const chunk = new Uint8Array(1 << 16);
  t.ok(
    refused(() => {
      for (let i = 0; i < 17; i++) decoder.push(chunk);
    }),
  );
  const half = new FrameDecoder();
  half.push(
    encodeFrame({kind: 'result', exitCode: 0, stdout: new Uint8Array(), stderr: new Uint8Array()}).subarray(0, 20),
  );
  t.equal(half.next(), undefined);
  t.equal(half.pendingBytes, 20);
});
