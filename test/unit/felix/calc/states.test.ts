/**
 * What calculation makes of whole datastores, and that it makes the same of them whichever way it got there.
 * The walk is random; its seed is in the name of the test, and SEED=n repeats it.
 */
import t from 'tap';
import {CalcGraph} from '../../../../src/felix/calc/calc-graph.ts';
import type {Update} from '../../../../src/felix/calc/update.ts';
import {silentLogger} from '../../../../src/lib/log.ts';
import type {Datastore} from './cluster.ts';
import {DataPlaneView} from './data-plane-view.ts';
import {STATES} from './states.ts';

let revision = 0;
const update = (key: string, value: string | undefined): Update => ({key, value, revision: `r${++revision}`});

function fresh(content: Datastore): string[] {
  const graph = new CalcGraph({nodeName: 'node1'}, {log: silentLogger});
  const view = new DataPlaneView();
  graph.onStatus('resyncing');
  graph.onUpdates([...content].map(([key, value]) => update(key, value)));
  graph.onStatus('in-sync');
  view.take(graph.flush());
  return view.lines();
}

for (const state of STATES) {
  void t.test(state.name, async (t) => {
    t.same(fresh(state.content), state.expected.toSorted());
  });
}

void t.test('one object at a time: taken away, put back, replaced by what it is elsewhere', async (t) => {
  let changes = 0;
  for (const state of STATES) {
    for (const [key, value] of state.content) {
      const others = STATES.map(({content}) => content.get(key)).filter((other) => other !== value);
      const graph = new CalcGraph({nodeName: 'node1'}, {log: silentLogger});
      const view = new DataPlaneView();
      graph.onStatus('in-sync');
      graph.onUpdates([...state.content].map(([each, text]) => update(each, text)));
      view.take(graph.flush());
      for (const other of new Set(others).add(undefined)) {
        const changed = new Map(state.content);
        if (other === undefined) changed.delete(key);
        else changed.set(key, other);
        for (const content of [changed, state.content]) {
          changes++;
          graph.onUpdates([update(key, content.get(key))]);
          view.take(graph.flush());
          // Not ready: what is enforced stays, so there is nothing to compare.
          if (graph.holdReason !== undefined) continue;
          const [seen, wanted] = [view.lines(), fresh(content)];
          if (JSON.stringify(seen) !== JSON.stringify(wanted)) t.same(seen, wanted, `${state.name}: ${key} ${other}`);
        }
      }
    }
  }
  t.ok(changes > 500, `${changes} changes`);
});

/** Park and Miller's generator: the same numbers for the same seed, everywhere. */
function randomOf(seed: number): (below: number) => number {
  let state = (seed % 2147483646) + 1;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

function shuffle<T>(items: T[], random: (below: number) => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}

/** The updates that lead from one content to another: in any order, with repeats, detours and batches of any size. */
function* wayBetween(from: Datastore, to: Datastore, detour: Datastore, random: (below: number) => number) {
  const keys = shuffle([...new Set([...from.keys(), ...to.keys()])], random);
  const final = keys.filter((key) => from.get(key) !== to.get(key) || random(4) === 0);
  const detours = keys
    .filter(() => random(3) === 0)
    .map((key) => update(key, random(2) === 0 ? detour.get(key) : undefined));
  const undone = detours.map(({key}) => key).filter((key) => !final.includes(key));
  const updates = [...detours, ...shuffle([...final, ...undone], random).map((key) => update(key, to.get(key)))];
  while (updates.length > 0) yield updates.splice(0, 1 + random(5));
}

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

void t.test(`the way to a state plays no part (SEED=${seed})`, async (t) => {
  const random = randomOf(seed);
  const calculated = new Map(STATES.map((state) => [state, fresh(state.content)]));
  for (let walk = 0; walk < 20; walk++) {
    const graph = new CalcGraph({nodeName: 'node1'}, {log: silentLogger});
    const view = new DataPlaneView();
    graph.onStatus('in-sync');
    let content: Datastore = new Map();
    const path: string[] = [];
    for (let step = 0; step < 25; step++) {
      const [target, detour] = [STATES[random(STATES.length)], STATES[random(STATES.length)]];
      if (target === undefined || detour === undefined) continue;
      path.push(target.name);
      for (const batch of wayBetween(content, target.content, detour.content, random)) {
        graph.onUpdates(batch);
        if (random(3) === 0) view.take(graph.flush());
      }
      view.take(graph.flush());
      content = target.content;
      if (JSON.stringify(view.lines()) === JSON.stringify(calculated.get(target))) continue;
      t.same(view.lines(), calculated.get(target), `SEED=${seed}, walk ${walk}: ${path.join(' -> ')}`);
      return;
    }
  }
  t.pass('20 walks of 25 steps');
});
