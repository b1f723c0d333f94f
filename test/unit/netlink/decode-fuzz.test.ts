/**
 * Whatever the bytes: a value or E_NETLINK_MALFORMED. Real dumps are damaged at random (bits, lengths, cuts, pieces of
 * other messages) and read by every decoder.
 */
import t from 'tap';
import {hasCode} from '../../../src/lib/errors.ts';
import {decodeAddress} from '../../../src/netlink/addresses.ts';
import {NLMSG} from '../../../src/netlink/constants.ts';
import {decodeFdbEntry} from '../../../src/netlink/fdb.ts';
import {readAnswer} from '../../../src/netlink/kernel-answer.ts';
import {decodeLink} from '../../../src/netlink/link.ts';
import {MessageCursor} from '../../../src/netlink/message-reader.ts';
import {decodeEvents} from '../../../src/netlink/monitor.ts';
import {decodeNeighbour} from '../../../src/netlink/neighbours.ts';
import {decodeNetconf} from '../../../src/netlink/netconf.ts';
import {decodeRoute} from '../../../src/netlink/route.ts';
import {decodeRule} from '../../../src/netlink/rules.ts';
import {forAll, type Random} from '../../helpers/random.ts';
import {errorBody, replyOf} from './support/fake-netlink.ts';
import {kernelDumps} from './support/kernel-dumps.ts';

const DECODERS = [
  decodeLink,
  decodeAddress,
  decodeRoute,
  decodeRule,
  decodeNeighbour,
  decodeFdbEntry,
  decodeNetconf,
  readAnswer,
] as const;

const answers = replyOf([
  {type: NLMSG.ERROR, flags: 0x300, sequence: 1, body: errorBody(17, 'File exists')},
  {type: NLMSG.ERROR, flags: 0x200, sequence: 2, body: errorBody(17, 'File exists')},
  {type: NLMSG.DONE, flags: 0x200, sequence: 3, body: errorBody(2, 'no such table')},
]).data;
const corpus: readonly Uint8Array[] = [...kernelDumps().values(), answers];

function damage(bytes: Uint8Array, random: Random): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = random.below(Math.max(1, bytes.length - 4));
  switch (random.below(5)) {
    case 0:
      bytes[at] = random.below(256);
      return bytes;
    case 1: // a length, somewhere it may matter
      view.setUint16(at & ~3, random.pick([0, 1, 3, 4, 5, 7, 8, 20, 255, 65535, random.below(65536)]), true);
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return bytes.slice(at & ~3);
    default:
      view.setUint32(at & ~3, random.pick([0, 0xffffffff, 0x7fffffff, random.below(2 ** 31)]), true);
      return bytes;
  }
}

/** Reads the whole buffer with `decode`, whatever the types say. Undefined when nothing was wrong. */
function failureOf(bytes: Uint8Array, decode: (message: MessageCursor) => unknown): unknown {
  try {
    const message = new MessageCursor(bytes);
    while (message.next()) decode(message);
    return undefined;
  } catch (error) {
    return error;
  }
}

void t.test('damaged data ends in values or in a typed error', async (t) => {
  let refused = 0;
  await forAll(4000, (random) => {
    // At an odd offset of a larger buffer whose other bytes are poison.
    const original = random.pick(corpus);
    const shelf = new Uint8Array(original.length + 64).fill(0xa5);
    shelf.set(original, 5);
    let bytes: Uint8Array = shelf.subarray(5, 5 + original.length);
    for (let count = random.between(1, 4); count > 0 && bytes.length > 4; count--) bytes = damage(bytes, random);
    for (const decode of DECODERS) {
      const failure = failureOf(bytes, decode);
      if (failure === undefined) continue;
      if (!hasCode(failure, 'E_NETLINK_MALFORMED')) throw failure;
      refused++;
    }
  });
  t.ok(refused > 100, 'the damage was felt');
});

void t.test('damage in one message leaves those before it alone', async (t) => {
  await forAll(300, (random) => {
    const bytes = Uint8Array.from(random.pick(corpus));
    const starts: number[] = [];
    const whole = new MessageCursor(bytes);
    while (whole.next()) starts.push(whole.bodyStart - 16);
    const victim = random.below(starts.length);
    const start = starts[victim] ?? 0;
    const before = eventsOf(bytes.slice(0, start));
    new DataView(bytes.buffer).setUint32(start, random.pick([0, 15, 0x7fffffff]), true);
    const events = eventsOf(bytes);
    const expected = JSON.stringify([...before, 'resync']);
    if (JSON.stringify(events) !== expected) throw new Error(`events ${JSON.stringify(events)}`);
  });
  t.pass();
});

function eventsOf(bytes: Uint8Array): unknown[] {
  const events: unknown[] = [];
  decodeEvents(bytes, (event) => events.push(event.kind === 'resync' ? 'resync' : event));
  return events;
}

void t.test('an answer with its explanation', async (t) => {
  const message = new MessageCursor(answers);
  const read: unknown[] = [];
  while (message.next()) read.push(readAnswer(message));
  t.strictSame(read, [
    {ok: false, errno: 17, name: 'EEXIST', message: 'File exists'},
    {ok: false, errno: 17, name: 'EEXIST', message: 'File exists'},
    {ok: false, errno: 2, name: 'ENOENT', message: 'no such table'},
  ]);
});
