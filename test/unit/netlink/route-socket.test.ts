import t from 'tap';
import {hasCode} from '../../../src/lib/errors.ts';
import {NLM_F, NLMSG, RTM} from '../../../src/netlink/constants.ts';
import type {MessageWriter} from '../../../src/netlink/message-writer.ts';
import {writeRouteReplace} from '../../../src/netlink/route.ts';
import {RouteSocket} from '../../../src/netlink/route-socket.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {type Answer, errorBody, FakeNetlink, replyOf, type Script} from './support/fake-netlink.ts';

const ACK_FLAGS = NLM_F.CAPPED | NLM_F.ACK_TLVS;
const ack = (sequence: number): Answer => ({type: NLMSG.ERROR, sequence, body: errorBody(0)});
const refuse = (sequence: number, errno: number, message?: string): Answer => ({
  type: NLMSG.ERROR,
  flags: ACK_FLAGS,
  sequence,
  body: errorBody(errno, message),
});

const acknowledgeLast: Script = (messages) => replyOf([ack(messages.at(-1)?.sequence ?? 0)]);

function open(script: Script): {socket: RouteSocket; fake: FakeNetlink; clock: FakeClock} {
  const fake = new FakeNetlink(script);
  const clock = new FakeClock();
  return {socket: new RouteSocket({}, {addon: fake.addon, clock}), fake, clock};
}

const route = (i: number) => ({dst: `10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}/32`, oif: 1});
const routes = (count: number) => Array.from({length: count}, (_, i) => route(i));

void t.test('a small batch goes inline and asks for one answer', async (t) => {
  const {socket, fake} = open(acknowledgeLast);
  const outcomes = await socket.execute(routes(3), writeRouteReplace, {costUs: 4});
  t.strictSame(outcomes, [{ok: true}, {ok: true}, {ok: true}]);
  t.equal(fake.sends.length, 1);
  t.equal(fake.sends[0]?.call, 'inline');
  t.strictSame(
    fake.sends[0]?.messages.map(({flags}) => (flags & NLM_F.ACK) !== 0),
    [false, false, true],
  );
});

void t.test('what costs more goes off the main thread', async (t) => {
  const {socket, fake} = open(acknowledgeLast);
  await socket.execute(routes(1), writeRouteReplace, {costUs: 20_000});
  await socket.execute(routes(300), writeRouteReplace, {costUs: 4});
  t.strictSame(
    fake.sends.map(({call}) => call),
    ['async', 'async'],
  );
});

void t.test('while a send is under way nothing goes inline', async (t) => {
  const waiting: (() => void)[] = [];
  const {socket, fake} = open((messages, call) => {
    const reply = replyOf([ack(messages.at(-1)?.sequence ?? 0)]);
    return call === 'inline' ? reply : new Promise((resolve) => waiting.push(() => resolve(reply)));
  });
  const slow = socket.execute(routes(1), writeRouteReplace, {costUs: 20_000});
  const quick = socket.execute(routes(1), writeRouteReplace, {costUs: 4});
  t.strictSame(
    fake.sends.map(({call}) => call),
    ['async', 'async'],
  );
  for (const resolve of waiting) resolve();
  await Promise.all([slow, quick]);
  await socket.execute(routes(1), writeRouteReplace, {costUs: 4});
  t.equal(fake.sends.at(-1)?.call, 'inline');
});

void t.test('errors find their message; the rest is done', async (t) => {
  const {socket} = open((messages) => {
    const sequence = (i: number) => messages[i]?.sequence ?? 0;
    return replyOf([
      refuse(sequence(1), 17, 'File exists'),
      refuse(sequence(3), 101, 'Nexthop has invalid gateway'),
      {type: NLMSG.ERROR, sequence: 4_000_000, body: errorBody(1)},
      ack(sequence(4)),
    ]);
  });
  t.strictSame(await socket.execute(routes(5), writeRouteReplace, {costUs: 4}), [
    {ok: true},
    {ok: false, errno: 17, name: 'EEXIST', message: 'File exists'},
    {ok: true},
    {ok: false, errno: 101, name: 'ENETUNREACH', message: 'Nexthop has invalid gateway'},
    {ok: true},
  ]);
});

void t.test('the last message may be the one refused; the kernel may not explain', async (t) => {
  const {socket} = open((messages) => replyOf([refuse(messages.at(-1)?.sequence ?? 0, 95)]));
  t.strictSame(await socket.execute(routes(2), writeRouteReplace, {costUs: 4}), [
    {ok: true},
    {ok: false, errno: 95, name: 'EOPNOTSUPP', message: undefined},
  ]);
});

void t.test('an item that cannot be encoded harms no other', async (t) => {
  const {socket, fake} = open((messages) => {
    const last = ack(messages.at(-1)?.sequence ?? 0);
    return replyOf(messages.length === 3 ? [refuse(messages[1]?.sequence ?? 0, 17), last] : [last]);
  });
  const items = [route(0), {dst: '10.0.0.300/32'}, route(1), {dst: '10.0.0.1/33'}, route(2)];
  const outcomes = await socket.execute(items, writeRouteReplace, {costUs: 4});
  t.equal(fake.sends[0]?.messages.length, 3);
  t.strictSame(
    outcomes.map((outcome) => (outcome.ok ? 'done' : outcome.name)),
    ['done', 'EINVAL', 'EEXIST', 'EINVAL', 'done'],
  );
  await socket.execute([route(0), {dst: 'nonsense'}], writeRouteReplace, {costUs: 4});
  const [last] = fake.sends.splice(1);
  t.ok(((last?.messages.at(-1)?.flags ?? 0) & NLM_F.ACK) !== 0, 'the last message sent asks for the answer');
  const only = await socket.execute([{dst: 'nonsense'}], writeRouteReplace, {costUs: 4});
  t.equal(fake.sends.length, 1, 'nothing is sent for nothing');
  t.match(only, [{ok: false, name: 'EINVAL', message: /"nonsense" is not an IP address/}]);
});

void t.test('a large batch is several sends, each message in one of them, in order', async (t) => {
  const {socket, fake} = open((messages) => {
    const last = messages.at(-1)?.sequence ?? 0;
    return replyOf([refuse(messages[0]?.sequence ?? 0, 3), ack(last)]);
  });
  const outcomes = await socket.execute(routes(10_000), writeRouteReplace, {costUs: 4});
  t.ok(fake.sends.length > 1);
  const sequences = fake.sends.flatMap(({messages}) => messages.map(({sequence}) => sequence));
  t.strictSame(
    sequences,
    Array.from({length: 10_000}, (_, i) => i + 1),
  );
  const starts = new Set<number>();
  let start = 0;
  for (const {messages} of fake.sends) {
    starts.add(start);
    start += messages.length;
  }
  t.ok(outcomes.every((outcome, i) => outcome.ok !== starts.has(i)));
});

void t.test('unknown outcomes are thrown', async (t) => {
  const lost = open((messages) => replyOf([ack(messages.at(-1)?.sequence ?? 0)], true));
  await t.rejects(lost.socket.execute(routes(2), writeRouteReplace, {costUs: 4}), {code: 'E_NETLINK_OVERRUN'});
  const silent = open(() => replyOf([]));
  await t.rejects(silent.socket.execute(routes(2), writeRouteReplace, {costUs: 4}), {code: 'E_NETLINK_MALFORMED'});
  const broken = open(() => {
    throw Object.assign(new Error('send: EPERM'), {errno: -1});
  });
  await t.rejects(broken.socket.execute(routes(2), writeRouteReplace, {costUs: 4}), {code: 'E_NETLINK'});
});

void t.test('a failing send among several is reported once, and later ones do not go unheard', async (t) => {
  let calls = 0;
  const {socket} = open(async (messages) => {
    calls++;
    if (calls === 1) throw new Error('first');
    return acknowledgeLast(messages, 'async');
  });
  await t.rejects(socket.execute(routes(10_000), writeRouteReplace, {costUs: 4}), {code: 'E_NETLINK'});
});

void t.test('an aborted signal stops between sends', async (t) => {
  const controller = new AbortController();
  const {socket, fake} = open((messages) => {
    controller.abort(new Error('enough'));
    return acknowledgeLast(messages, 'async');
  });
  const all = socket.execute(routes(10_000), writeRouteReplace, {costUs: 4, signal: controller.signal});
  await t.rejects(all, {message: 'enough'});
  t.equal(fake.sends.length, 1);
});

const question = (writer: MessageWriter) => {
  writer.begin(RTM.GETROUTE, NLM_F.DUMP);
  writer.end();
};
const entry = (sequence: number, flags = 0): Answer => ({type: RTM.NEWROUTE, flags: NLM_F.MULTI | flags, sequence});
const end = (sequence: number, errno = 0): Answer => ({
  type: NLMSG.DONE,
  flags: NLM_F.MULTI,
  sequence,
  body: errorBody(errno).subarray(0, 4),
});
const sequenceOf = (messages: readonly {sequence: number}[]) => messages[0]?.sequence ?? 0;

void t.test('a dump gives its own entries only', async (t) => {
  const {socket, fake} = open((messages) => {
    const sequence = sequenceOf(messages);
    return replyOf([entry(sequence), entry(999_999), entry(sequence), end(sequence)]);
  });
  let count = 0;
  t.strictSame(await socket.dump('routes', question, () => ++count), [1, 2]);
  t.equal(fake.sends[0]?.call, 'async');
});

void t.test('an interrupted dump is read again, and not for ever', async (t) => {
  const once = open((messages) => {
    const sequence = sequenceOf(messages);
    const interrupted = once.fake.sends.length === 1 ? NLM_F.DUMP_INTR : 0;
    return replyOf([entry(sequence), entry(sequence, interrupted), end(sequence)]);
  });
  const twice = once.socket.dump('routes', question, () => 'entry');
  await settleTimers(once.clock, twice);
  t.strictSame(await twice, ['entry', 'entry']);
  t.equal(once.fake.sends.length, 2);

  const always = open((messages) => replyOf([{...end(sequenceOf(messages)), flags: NLM_F.DUMP_INTR}]));
  const failing = always.socket.dump('routes', question, () => 'entry');
  failing.catch(() => undefined);
  await settleTimers(always.clock, failing);
  await t.rejects(failing, {code: 'E_NETLINK_INTERRUPTED'});
  t.ok(always.fake.sends.length > 2 && always.fake.sends.length < 50);
});

/** Lets every wait pass until `work` is settled. */
async function settleTimers(clock: FakeClock, work: Promise<unknown>): Promise<void> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  work.then(mark, mark);
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1000);
  }
}

void t.test('what is wrong with a dump is said', async (t) => {
  const refusing = open((messages) => replyOf([end(sequenceOf(messages), 2)]));
  const error = await refusing.socket.dump('routes', question, () => 1).catch((e: unknown) => e);
  t.ok(hasCode(error, 'E_NETLINK'));
  t.match(error, {message: 'cannot read routes: ENOENT', context: {errno: 2, errnoName: 'ENOENT'}});

  const early = open((messages) =>
    replyOf([refuse(sequenceOf(messages), 22, 'ipv4: Invalid values in header for FIB dump request')]),
  );
  await t.rejects(
    early.socket.dump('routes', question, () => 1),
    {
      code: 'E_NETLINK',
      message: 'cannot read routes: EINVAL: ipv4: Invalid values in header for FIB dump request',
    },
  );

  const endless = open((messages) => replyOf([entry(sequenceOf(messages))]));
  await t.rejects(
    endless.socket.dump('routes', question, () => 1),
    {code: 'E_NETLINK_MALFORMED'},
  );

  const lost = open((messages) => replyOf([end(sequenceOf(messages))], true));
  await t.rejects(
    lost.socket.dump('routes', question, () => 1),
    {code: 'E_NETLINK_OVERRUN'},
  );
});
