/** Bytes on the wire: protocol buffers, etcd's messages, gRPC's framing and status. */
import t from 'tap';
import {FrameReader, frame, MessageTooLarge, refusalOf, statusOf} from '../../../src/datastore/etcd/grpc-frame.ts';
import {
  decodeRange,
  decodeToken,
  decodeTxn,
  decodeWatch,
  encodeAuthenticate,
  encodeRange,
  encodeTxn,
  encodeWatchCreate,
} from '../../../src/datastore/etcd/messages.ts';
import {MalformedMessage, ProtoReader, ProtoWriter} from '../../../src/datastore/etcd/protobuf.ts';
import {agentErrorOf, answered, isTokenRefused, RpcError} from '../../../src/datastore/etcd/rpc-error.ts';
import {forAll} from '../../helpers/random.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

await t.test('integers of 64 bits are exact', async (t) => {
  // biome-ignore format: a table
  const values = [
    1n, 127n, 128n, 300n, 2n ** 32n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 53n + 1n, 2n ** 62n + 12345n, 2n ** 63n - 1n, -1n, -(2n ** 63n),
  ];
  for (const value of values) {
    const reader = new ProtoReader(new ProtoWriter().int64(3, value).finish());
    t.equal(reader.next(), 3);
    t.equal(reader.int64(), value);
    t.equal(reader.next(), 0);
  }
  const unsigned = new ProtoReader(hex('08 ffffffffffffffffff01'));
  unsigned.next();
  t.equal(unsigned.uint64(), 2n ** 64n - 1n);
  t.same(new ProtoWriter().int64(1, 150).finish(), hex('08 9601'), 'the example of the format');
  t.same(new ProtoWriter().text(2, 'testing').finish(), hex('12 07 74657374696e67'));
  t.same(new ProtoWriter().int64(1, 0).bytes(2, Buffer.alloc(0)).finish(), hex(''), 'defaults are left out');
  t.same(new ProtoWriter().message(1, new ProtoWriter()).finish(), hex('0a 00'), 'an empty message is there');
});

await t.test('unknown fields are skipped', async (t) => {
  const known = new ProtoWriter().text(2, 'token').finish();
  const unknown = hex('50 01  59 0102030405060708  62 03 616263  6d 01020304');
  t.equal(decodeToken(Buffer.concat([unknown, known, unknown])), 'token');
});

await t.test('what is malformed is refused, whatever it is', async (t) => {
  const malformed = [
    '08',
    '0a 05 61',
    '0a',
    '00 01',
    '0b',
    '0f',
    '08 ffffffffffffffffffff01',
    '0a ffffffffffffffff7f',
    '12 80',
  ];
  for (const text of malformed) t.throws(() => decodeRange(hex(text)), MalformedMessage, text);
  await forAll(300, (random) => {
    const bytes = Buffer.from(Array.from({length: random.below(60)}, () => random.below(256)));
    for (const decode of [decodeRange, decodeTxn, decodeWatch, decodeToken]) {
      try {
        decode(bytes);
      } catch (error) {
        if (!(error instanceof MalformedMessage)) throw error;
      }
    }
  });
});

await t.test('requests', async (t) => {
  const key = Buffer.from('/a');
  t.same(encodeRange({key}), hex('0a 02 2f61'));
  t.same(
    encodeRange({key, end: Buffer.from('/b'), limit: 500, revision: 7n, countOnly: true}),
    hex('0a 02 2f61  12 02 2f62  18 f403  20 07  48 01'),
  );
  t.same(
    encodeWatchCreate({key, end: Buffer.from('/b')}, 9n),
    hex('0a 0e  0a 02 2f61  12 02 2f62  18 09  20 01  40 01'),
  );
  t.same(encodeAuthenticate('a', 'b'), hex('0a 01 61  12 01 62'));
  t.same(
    encodeTxn({
      compares: [
        {kind: 'absent', key},
        {kind: 'exists', key},
        {kind: 'revision', key, revision: 5n},
      ],
      success: [
        {kind: 'put', key, value: Buffer.from('v')},
        {kind: 'delete', key},
      ],
      failure: [{kind: 'get', key}],
    }),
    hex(
      `0a 04  1a 02 2f61
       0a 06  08 01  1a 02 2f61
       0a 08  10 02  1a 02 2f61  30 05
       12 09  12 07  0a 02 2f61  12 01 76
       12 06  1a 04  0a 02 2f61
       1a 06  0a 04  0a 02 2f61`.replaceAll('\n', ''),
    ),
  );
});

await t.test('messages come in any pieces', async (t) => {
  await forAll(200, (random) => {
    const messages = Array.from({length: 1 + random.below(5)}, () => Buffer.alloc(random.below(40), random.below(256)));
    const bytes = Buffer.concat(messages.map(frame));
    const reader = new FrameReader({maxBytes: 1000});
    const found: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(12);
      found.push(...reader.push(bytes.subarray(at, at + size)));
      at += size;
    }
    if (found.length !== messages.length || !found.every((message, i) => messages[i]?.equals(message))) {
      throw new Error(`${found.map((message) => message.toString('hex')).join()}`);
    }
  });
  t.throws(() => new FrameReader({maxBytes: 10}).push(frame(Buffer.alloc(11))), MessageTooLarge);
  t.throws(() => new FrameReader({maxBytes: 10}).push(hex('01 00000001 00')), RpcError);
});

await t.test('status', async (t) => {
  t.equal(statusOf({'grpc-status': '0'}), null);
  t.equal(statusOf({}), undefined);
  t.match(statusOf({'grpc-status': '7', 'grpc-message': 'no%20way'}), {status: 7, message: 'no way'});
  t.match(statusOf({'grpc-status': '7', 'grpc-message': '100%'}), {status: 7, message: '100%'});
  t.equal(refusalOf({':status': 200, 'content-type': 'application/grpc+proto'}), undefined);
  t.match(refusalOf({':status': 502, 'content-type': 'text/html'}), {mayHaveActed: true, message: /HTTP 502/});
  const cases: [number, string, string, boolean][] = [
    [3, 'etcdserver: request is too large', 'E_UNSUPPORTED', false],
    [3, 'etcdserver: authentication failed, invalid user ID or password', 'E_UNAUTHORISED', false],
    [4, 'context deadline exceeded', 'E_DEADLINE', true],
    [7, 'etcdserver: permission denied', 'E_UNAUTHORISED', false],
    [8, 'etcdserver: mvcc: database space exceeded', 'E_STORE_FULL', false],
    [8, 'grpc: received message larger than max (5 vs. 4)', 'E_UNSUPPORTED', false],
    [2, 'etcdserver: too many requests', 'E_UNREACHABLE', false],
    [11, 'etcdserver: mvcc: required revision has been compacted', 'E_CURSOR_LOST', false],
    [12, 'unknown service', 'E_UNSUPPORTED', false],
    [13, 'internal', 'E_UNREACHABLE', true],
    [14, 'etcdserver: no leader', 'E_UNREACHABLE', false],
    [14, 'etcdserver: request timed out', 'E_UNREACHABLE', true],
    [15, 'etcdserver: corrupt cluster', 'E_STORE_CORRUPT', true],
    [16, 'etcdserver: invalid auth token', 'E_UNAUTHORISED', false],
    [99, 'of the future', 'E_UNREACHABLE', true],
  ];
  for (const [status, text, code, mayHaveActed] of cases) {
    const error = answered(status, text);
    const during = code === 'E_UNAUTHORISED' ? 'authenticate as user "root": ' : '';
    const context = {endpoint: 'http://e:1', user: 'root', step: 'authenticate'} as const;
    t.match(agentErrorOf(error, context), {code, message: `etcd http://e:1: ${during}${text}`});
    t.equal(error.mayHaveActed, mayHaveActed, text);
    t.equal(isTokenRefused(error), status === 16, text);
  }
});
