/**
 * Every interleaving of short stories, on one key, against the true history: what is begun, committed, answered and
 * delivered may overtake each other in every way that one datastore and one ordered, merging watch allow.
 */
import t from 'tap';
import {LocalEndpoints, type LocalWrite} from '../../../../src/felix/calc/local-endpoints.ts';

const KEY = 'endpoint';

/** One step of somebody: a write of ours that works or fails, or somebody else's. */
type Act =
  | {readonly by: 'us'; readonly does: 'put' | 'delete'; readonly fails?: boolean}
  | {readonly by: 'them'; readonly does: 'put' | 'delete'};

interface Version {
  readonly value: string | undefined;
  readonly revision: string;
}

/** What has happened so far. Immutable, so that the search can go on from it in several ways. */
type Event =
  | {readonly does: 'begin' | 'commit' | 'answer'; readonly write: number}
  | {readonly does: 'foreign'; readonly act: number}
  /** The watch comes to that place of the history, skipping what lies between. */
  | {readonly does: 'deliver'; readonly to: number};

interface Run {
  readonly history: readonly Version[];
  readonly watchAt: number;
  readonly view: string | undefined;
  /** The view when a complete snapshot has arrived on top. */
  readonly afterSnapshot: string | undefined;
  readonly writes: readonly {readonly begun: boolean; readonly place: number | undefined; readonly answered: boolean}[];
}

/** Plays `events` from the beginning against a fresh LocalEndpoints. */
function play(start: 'present' | 'absent', acts: readonly Act[], events: readonly Event[]): Run {
  let view: string | undefined;
  const endpoints = new LocalEndpoints<string>((_key, value) => {
    view = value;
  });
  const history: Version[] = [{value: undefined, revision: 'r0'}];
  if (start === 'present') history.push({value: 'start', revision: 'r1'});
  let watchAt = history.length - 1;
  const head = () => history.at(-1) ?? {value: undefined, revision: 'r0'};
  const deliver = () => {
    const {value, revision} = history[watchAt] ?? head();
    endpoints.deliver(KEY, value, value !== undefined, revision);
  };
  if (start === 'present') deliver();
  const handles: LocalWrite[] = [];
  const writes = acts.map(() => ({
    begun: false,
    place: undefined as number | undefined,
    replaced: undefined as string | undefined,
    committed: false,
    answered: false,
  }));
  const writtenBy = (act: Act, index: number) => (act.does === 'delete' ? undefined : `${act.by}${index}`);
  const push = (value: string | undefined) => history.push({value, revision: `r${history.length}`}) - 1;
  for (const event of events) {
    switch (event.does) {
      case 'begin': {
        const act = acts[event.write];
        const write = writes[event.write];
        if (act === undefined || write === undefined) break;
        handles[event.write] = endpoints.begin(KEY, writtenBy(act, event.write));
        write.begun = true;
        break;
      }
      case 'commit': {
        const act = acts[event.write];
        const write = writes[event.write];
        if (act === undefined || write === undefined) break;
        write.committed = true;
        const before = head();
        if ((act.by === 'us' && act.fails) || (act.does === 'delete' && before.value === undefined)) break;
        write.replaced = before.value === undefined ? undefined : before.revision;
        write.place = push(writtenBy(act, event.write));
        break;
      }
      case 'answer': {
        const write = writes[event.write];
        if (write === undefined) break;
        write.answered = true;
        const version = write.place === undefined ? undefined : history[write.place];
        if (version === undefined) handles[event.write]?.failed();
        else {
          const revision = version.value === undefined ? undefined : version.revision;
          handles[event.write]?.succeeded({revision, replaced: write.replaced});
        }
        break;
      }
      case 'foreign': {
        const act = acts[event.act];
        const write = writes[event.act];
        if (act === undefined || write === undefined) break;
        write.committed = true;
        if (act.does === 'put' || head().value !== undefined) push(writtenBy(act, event.act));
        break;
      }
      case 'deliver':
        watchAt = event.to;
        deliver();
        break;
      default:
        event satisfies never;
    }
  }
  const before = view;
  if (watchAt < history.length - 1) return {history, watchAt, view: before, afterSnapshot: undefined, writes};
  endpoints.snapshotBegins();
  endpoints.snapshotEnds();
  return {history, watchAt, view: before, afterSnapshot: view, writes};
}

/** Visits every order of events that can happen. */
function explore(
  start: 'present' | 'absent',
  acts: readonly Act[],
  check: (run: Run, events: readonly Event[], ended: boolean) => void,
): number {
  let ends = 0;
  const step = (events: readonly Event[], next: readonly number[], run: Run) => {
    const options: Event[] = [];
    acts.forEach((act, index) => {
      const stage = next[index] ?? 0;
      const previous = acts.slice(0, index);
      // Writes of one side are begun and committed in their order; answers come in any.
      const before = (atLeast: number) =>
        previous.every((other, i) => other.by !== act.by || (next[i] ?? 0) >= atLeast);
      if (act.by === 'them') {
        if (stage === 0 && before(1)) options.push({does: 'foreign', act: index});
      } else if (stage === 0 && before(1)) options.push({does: 'begin', write: index});
      else if (stage === 1 && before(2)) options.push({does: 'commit', write: index});
      else if (stage === 2) options.push({does: 'answer', write: index});
    });
    for (let to = run.watchAt + 1; to < run.history.length; to++) options.push({does: 'deliver', to});
    check(run, events, options.length === 0);
    if (options.length === 0) ends++;
    for (const option of options) {
      const following = [...events, option];
      const stages = [...next];
      if (option.does === 'foreign') stages[option.act] = 1;
      else if (option.does !== 'deliver') stages[option.write] = (stages[option.write] ?? 0) + 1;
      step(following, stages, play(start, acts, following));
    }
  };
  step(
    [],
    acts.map(() => 0),
    play(start, acts, []),
  );
  return ends;
}

const tell = (events: readonly Event[]) =>
  events
    .map((event) => {
      if (event.does === 'deliver') return `deliver ${event.to}`;
      return event.does === 'foreign' ? `foreign ${event.act}` : `${event.does} ${event.write}`;
    })
    .join(', ');

/** What must hold at every moment: the newest of our writes that did not fail, until the watch has come as far. */
function expectedView(run: Run, acts: readonly Act[]): {readonly value: string | undefined} {
  const newest = run.writes.findLastIndex(
    (write, i) => acts[i]?.by === 'us' && write.begun && !(write.answered && write.place === undefined),
  );
  const write = run.writes[newest];
  const act = acts[newest];
  const overtaken = write?.answered && write.place !== undefined && run.watchAt >= write.place;
  if (write === undefined || act === undefined || overtaken) return {value: run.history[run.watchAt]?.value};
  return {value: act.does === 'delete' ? undefined : `us${newest}`};
}

const put: Act = {by: 'us', does: 'put'};
const del: Act = {by: 'us', does: 'delete'};
const fail = (act: Act): Act => ({...act, by: 'us', fails: true});
const theirPut: Act = {by: 'them', does: 'put'};
const theirDelete: Act = {by: 'them', does: 'delete'};

const ownStories: Record<string, readonly Act[]> = {
  'one write': [put],
  'one deletion': [del],
  'a failed write': [fail(put)],
  'a failed deletion': [fail(del)],
  'write, write': [put, put],
  'write, delete': [put, del],
  'delete, write': [del, put],
  'delete, delete': [del, del],
  'write, failed delete': [put, fail(del)],
  'failed write, write': [fail(put), put],
  'failed write, delete': [fail(put), del],
  'delete, failed write': [del, fail(put)],
};

void t.test('as the only writer, the view is exact at every moment', async (t) => {
  for (const [name, acts] of Object.entries(ownStories)) {
    for (const start of ['present', 'absent'] as const) {
      const wrong: string[] = [];
      const ends = explore(start, acts, (run, events, ended) => {
        const {value} = expectedView(run, acts);
        if (run.view !== value) wrong.push(`${tell(events)}: saw ${run.view}, wanted ${value}`);
        if (ended && run.view !== run.history.at(-1)?.value) wrong.push(`${tell(events)}: ends as ${run.view}`);
      });
      t.ok(ends > 0);
      t.same(wrong.slice(0, 5), [], `${name}, ${start} at first: ${ends} endings`);
    }
  }
});

/** Our creation and their deletion, both in one delivery that comes before our answer: see the module's header. */
const isKnownLimit = (events: readonly Event[]) => tell(events) === 'begin 1, commit 1, foreign 0, deliver 2, answer 1';

/**
 * Two changes of others that the watch has yet to tell of cannot be told from later ones, and neither can one when
 * answers overtake each other: the view may then show the older state until the next delivery.
 */
function mustBeExact(acts: readonly Act[], events: readonly Event[]): boolean {
  const answers = events.flatMap((event) => (event.does === 'answer' ? [event.write] : []));
  const pending = acts.flatMap((act, i) => (act.by === 'us' && !answers.includes(i) ? [i] : []));
  const inOrder = [...answers, ...pending].every((write, i, all) => i === 0 || write > (all[i - 1] ?? 0));
  return acts.filter((act) => act.by === 'them').length < 2 && inOrder && !isKnownLimit(events);
}

const sharedStories: Record<string, readonly Act[]> = {
  'their write, ours': [theirPut, put],
  'their write, our deletion': [theirPut, del],
  'their deletion, our write': [theirDelete, put],
  'their two writes, ours': [theirPut, theirPut, put],
  'their write, our two': [theirPut, put, put],
  'their write, our write and deletion': [theirPut, put, del],
  'their deletion and write, ours': [theirDelete, theirPut, put],
  'their write, our failed one': [theirPut, fail(put)],
  'their deletion, our failed one': [theirDelete, fail(del)],
};

void t.test('beside other writers, ours holds until it is answered, and the end is the truth', async (t) => {
  for (const [name, acts] of Object.entries(sharedStories)) {
    for (const start of ['present', 'absent'] as const) {
      const wrong: string[] = [];
      explore(start, acts, (run, events, ended) => {
        const newest = run.writes.findLastIndex((write, i) => acts[i]?.by === 'us' && write.begun);
        const write = run.writes[newest];
        const {value} = expectedView(run, acts);
        if (write !== undefined && !write.answered && run.view !== value)
          wrong.push(`${tell(events)}: saw ${run.view}, wanted ${value}, still pending`);
        if (run.view !== value && mustBeExact(acts, events))
          wrong.push(`${tell(events)}: saw ${run.view}, wanted ${value}`);
        const wanted = run.history.at(-1)?.value;
        if (ended && run.afterSnapshot !== wanted) wrong.push(`${tell(events)}: snapshot shows ${run.afterSnapshot}`);
        if (ended && run.view !== wanted && !isKnownLimit(events)) wrong.push(`${tell(events)}: ends as ${run.view}`);
      });
      t.same(wrong.slice(0, 5), [], `${name}, ${start} at first (${wrong.length} wrong)`);
    }
  }
});

void t.test('what is left over is nothing', async (t) => {
  const views: (string | undefined)[] = [];
  const endpoints = new LocalEndpoints<string>((_key, value) => views.push(value));
  const write = endpoints.begin(KEY, 'ours');
  t.equal(endpoints.contested, 1);
  endpoints.deliver(KEY, 'ours as stored', true, 'r1');
  t.equal(endpoints.get(KEY), 'ours', 'not answered yet');
  write.succeeded({revision: 'r1', replaced: undefined});
  t.equal(endpoints.get(KEY), 'ours as stored');
  t.equal(endpoints.contested, 0);
  write.succeeded({revision: 'r9', replaced: undefined});
  write.failed();
  t.equal(endpoints.get(KEY), 'ours as stored', 'a second answer changes nothing');
  endpoints.deliver(KEY, undefined, true, 'r2');
  t.equal(endpoints.get(KEY), undefined, 'an invalid object is no endpoint');
  t.equal(views.at(-1), undefined);
});

void t.test('a snapshot ends only what had returned when it began', async (t) => {
  const endpoints = new LocalEndpoints<string>(() => {});
  const answered = endpoints.begin('a', 'ours');
  const pending = endpoints.begin('b', 'ours');
  answered.succeeded({revision: 'r1', replaced: undefined});
  endpoints.snapshotBegins();
  pending.succeeded({revision: 'r2', replaced: undefined});
  endpoints.snapshotEnds();
  t.equal(endpoints.get('a'), undefined);
  t.equal(endpoints.get('b'), 'ours');
});
