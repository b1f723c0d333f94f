/**
 * `calicoctl ipam check` on a cluster that eight nodes work on: it finds what was planted and nothing else, although it
 * reads one record after the other while all of them change.
 */
import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import t from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {WORKER} from './support/fire.ts';
import type {WorkerOptions} from './support/protocol.ts';
import {worldOf} from './support/world.ts';

const run = promisify(execFile);
const CALICOCTL = fileURLToPath(new URL('../../../src/calicoctl/main.ts', import.meta.url));
const NODES = Array.from({length: 8}, (_, place) => `n${place + 1}`);
const OPERATIONS = 60;

t.setTimeout(0);

const PLANTED = [
  ['/calico/ipam/v2/handle/net.ghost', '{"block":{"10.0.0.0/29":1},"deleted":false}'],
  ['/calico/ipam/v2/host/n9/ipv4/block/10.7.0.0-29', '{"state":"confirmed","deleted":false}'],
] as const;
const FOUND = [
  /^ {2}net\.ghost has no address in 10\.0\.0\.0\/29$/,
  /^ {2}10\.7\.0\.0\/29 claimed by host:n9, but there is no such block$/,
];

/** On a busy machine the endpoint of a pod may come a good while after its address; the check says since when. */
function isStarting(line: string): boolean {
  const [, day, time] = / at (\S+) (\S+) \+0000 UTC, and nobody uses it$/.exec(line) ?? [];
  return Date.now() - Date.parse(`${day}T${time}Z`) < 60_000;
}

void t.test('a check while eight nodes work', async (t) => {
  const folder = join(t.testdir({}), 'store');
  const store = await EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger}, {deadlineMs: 120_000});
  t.teardown(() => store.close());
  for (const {key, value} of worldOf(NODES)) await store.commit([{kind: 'put', key, value}]);
  for (const [key, value] of PLANTED) await store.commit([{kind: 'put', key, value}]);

  let working = NODES.length;
  const lives = NODES.map(async (node, place) => {
    const options: WorkerOptions = {
      store: {type: 'embedded', folder},
      node,
      nodes: NODES,
      seed: place + 1,
      operations: OPERATIONS,
      dieAtCall: 0,
      isAtomic: true,
      alive: {},
      hasEndpoints: true,
      isLast: false,
    };
    const child = spawn(process.execPath, [WORKER, JSON.stringify(options)], {stdio: ['ignore', 'ignore', 'inherit']});
    t.teardown(() => child.kill('SIGKILL'));
    const [code] = (await once(child, 'close')) as [number | null];
    working--;
    if (code !== 0) throw new Error(`${node} ended with ${code}`);
  });
  const check = async () => {
    const environment = {...process.env, DATASTORE_TYPE: 'embedded', CALICO_STORE: folder};
    const args = ['--disable-warning=ExperimentalWarning', CALICOCTL, 'ipam', 'check'];
    const {stdout} = await run(process.execPath, args, {env: environment});
    const [, sections = ''] = stdout.split('handles.\n\n');
    return sections.split('\n').filter((line) => line.startsWith('  '));
  };
  const expectPlanted = (found: readonly string[], when: string) => {
    t.ok(
      FOUND.every((pattern) => found.some((line) => pattern.test(line))),
      `${when}: finds what was planted`,
    );
    t.same(
      found.filter((line) => !FOUND.some((pattern) => pattern.test(line)) && !(working > 0 && isStarting(line))),
      [],
      `${when}: and nothing else`,
    );
  };
  const done = Promise.all(lives);
  for (let i = 1; working > 0; i++) expectPlanted(await check(), `check ${i}`);
  await done;
  expectPlanted(await check(), 'at rest');
});
