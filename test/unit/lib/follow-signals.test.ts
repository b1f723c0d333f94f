import {getEventListeners} from 'node:events';
import t from 'tap';
import {followSignals} from '../../../src/lib/follow-signals.ts';

await t.test('the first one to abort decides, with its reason', async (t) => {
  const [first, second, follower] = [new AbortController(), new AbortController(), new AbortController()];
  followSignals(follower, [first.signal, second.signal]);
  t.notOk(follower.signal.aborted);
  second.abort(new Error('second'));
  first.abort(new Error('first'));
  t.match(follower.signal.reason, {message: 'second'});
});

await t.test('a signal that has aborted before', async (t) => {
  const follower = new AbortController();
  followSignals(follower, [new AbortController().signal, AbortSignal.abort(new Error('long ago'))]);
  t.match(follower.signal.reason, {message: 'long ago'});
});

await t.test('let go, nothing is left and nothing follows', async (t) => {
  const [source, follower] = [new AbortController(), new AbortController()];
  followSignals(follower, [source.signal])();
  t.equal(getEventListeners(source.signal, 'abort').length, 0);
  source.abort();
  t.notOk(follower.signal.aborted);
});
