import t from 'tap';
import {Turns} from '../../../src/datastore/etcd/turns.ts';

await t.test('at most so many at once, in order, and those who give up take no turn', async (t) => {
  const turns = new Turns({atOnce: 3});
  const {signal} = new AbortController();
  const started: number[] = [];
  const gates = Array.from({length: 10}, () => Promise.withResolvers<void>());
  const aborts = Array.from({length: 10}, () => new AbortController());
  const runs = gates.map((gate, i) =>
    turns.run(aborts[i]?.signal ?? signal, () => {
      started.push(i);
      return gate.promise;
    }),
  );
  const settled = Promise.allSettled(runs);
  const breathe = () => new Promise((resolve) => setImmediate(resolve));
  await breathe();
  t.same(started, [0, 1, 2]);
  aborts[3]?.abort(new Error('enough'));
  aborts[5]?.abort(new Error('enough'));
  gates[1]?.resolve();
  gates[2]?.reject(new Error('failed'));
  await breathe();
  t.same(started, [0, 1, 2, 4, 6]);
  for (const gate of gates) gate.resolve();
  const outcomes = await settled;
  t.same(
    outcomes.map(({status}) => status === 'fulfilled'),
    [true, true, false, false, true, false, true, true, true, true],
  );
  t.same(started, [0, 1, 2, 4, 6, 7, 8, 9]);
  let last = 0;
  await Promise.all(Array.from({length: 3}, () => turns.run(signal, async () => last++)));
  t.equal(last, 3, 'every turn was given back');
});
