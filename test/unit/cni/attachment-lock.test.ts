/** One call at a time per name, in order, and nobody waits for ever. */
import t from 'tap';
import {AttachmentLock} from '../../../src/cni/attachment-lock.ts';
import {together, Undo} from '../../../src/cni/undo.ts';
import {silentLogger} from '../../../src/lib/log.ts';

const never = new AbortController().signal;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

void t.test('calls with a common name run one after the other, others at once', async (t) => {
  const lock = new AttachmentLock();
  const log: string[] = [];
  const call = (label: string, names: readonly string[]) =>
    lock.run(names, never, async () => {
      log.push(`${label} begins`);
      await turn();
      log.push(`${label} ends`);
    });
  await Promise.all([call('a', ['pod', 'one']), call('b', ['pod', 'two']), call('c', ['two']), call('d', ['three'])]);
  t.same(
    log.filter((line) => !line.startsWith('d')),
    ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'],
  );
  t.equal(log[1], 'd begins');
  await turn();
  for (const name of ['pod', 'one', 'two', 'three']) t.notOk(lock.isTaken(name), `${name} is free again`);
});

void t.test('who gives up does not let the next one overtake the first', async (t) => {
  const lock = new AttachmentLock();
  const {promise, resolve} = Promise.withResolvers<void>();
  const abort = new AbortController();
  const first = lock.run(['x'], never, () => promise);
  const second = lock.run(['x'], abort.signal, async () => t.fail('it had given up'));
  let isThirdRunning = false;
  const third = lock.run(['x'], never, async () => {
    isThirdRunning = true;
  });
  abort.abort();
  await t.rejects(second, {code: 'E_ABORTED'});
  await turn();
  t.notOk(isThirdRunning);
  t.ok(lock.isTaken('x'));
  resolve();
  await Promise.all([first, third]);
  t.ok(isThirdRunning);
});

void t.test('a call that fails lets the next one in', async (t) => {
  const lock = new AttachmentLock();
  await t.rejects(
    lock.run(['x'], never, () => Promise.reject(new Error('no'))),
    /no/,
  );
  t.equal(await lock.run(['x'], never, async () => 'in'), 'in');
});

void t.test('undoing goes backwards and does not stop at a failure', async (t) => {
  const undo = new Undo();
  const log: string[] = [];
  for (const name of ['a', 'b', 'c'])
    undo.add(name, async () => {
      log.push(name);
      if (name === 'b') throw new Error('cannot');
    });
  await undo.run(silentLogger);
  await undo.run(silentLogger);
  t.same(log, ['c', 'b', 'a']);
});

void t.test('together waits for both, also when one fails', async (t) => {
  let isDone = false;
  const slow = turn().then(() => {
    isDone = true;
  });
  await t.rejects(together(Promise.reject(new Error('first')), slow), /first/);
  t.ok(isDone);
  t.same(await together(Promise.resolve(1), Promise.resolve('b')), [1, 'b']);
});
