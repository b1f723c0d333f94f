/**
 * `make demo` as a newcomer runs it: it shows what it promises and succeeds, it fails when one cell fails, and whatever
 * happens to it, nothing of it stays on the machine.
 */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readdirSync} from 'node:fs';
import t, {type Test} from 'tap';
import {hostSnapshot, snapshotDifference} from '../helpers/host-snapshot.ts';
import {mustRun, runProgram} from '../lab/run-program.ts';
import {eventually} from './support/eventually.ts';
import {Offspring} from './support/offspring.ts';

// The runner's limit (test/tiers.json) is the one that counts.
t.setTimeout(0);

const root = new URL('../..', import.meta.url).pathname;
const before = hostSnapshot();
const foldersBefore = machineFolders();

/** A running demo: what it has printed, and the lab it made. */
class Demo {
  readonly child: ChildProcess;
  readonly offspring: Offspring;
  output = '';
  readonly #ended: Promise<[code: number | null, signal: string | null]>;

  constructor(command: readonly string[], environment: Record<string, string> = {}) {
    const [program = '', ...args] = command;
    this.child = spawn(program, args, {
      cwd: root,
      env: {...process.env, ...environment},
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.offspring = new Offspring(this.child.pid ?? 0);
    const collect = (chunk: Buffer) => {
      this.output += chunk.toString();
    };
    this.child.stdout?.on('data', collect);
    this.child.stderr?.on('data', collect);
    this.#ended = once(this.child, 'close') as Promise<[number | null, string | null]>;
  }

  /** Name of its lab, once it has been printed. */
  get lab(): string {
    const name = /\bclab\d+\b/.exec(this.output)?.[0];
    if (name === undefined) throw new Error(`the demo has not told the name of its lab:\n${this.output}`);
    return name;
  }

  async exitCode(): Promise<number | null> {
    const [code] = await this.#ended;
    this.offspring.stop();
    return code;
  }

  async printed(pattern: RegExp): Promise<void> {
    await eventually(
      `the demo prints ${pattern}`,
      () => pattern.test(this.output) || (this.child.exitCode !== null && this.#failEarly(pattern)),
      () => this.output,
    );
  }

  #failEarly(pattern: RegExp): never {
    throw new Error(`the demo ended before it printed ${pattern}:\n${this.output}`);
  }
}

const nodeDemo = (environment: Record<string, string> = {}) =>
  new Demo([process.execPath, 'test/lab/demo.ts'], environment);

/** Otherwise make would install the packages anew, and take them away from under this test. */
async function requireInstalled(): Promise<void> {
  const question = await runProgram(['make', '-q', '-C', root, 'node_modules/.installed']);
  if (question.code !== 0) throw new Error('the npm packages are not up to date: run make setup first');
}

await t.test('make demo', async (t) => {
  await requireInstalled();
  const demo = new Demo(['make', 'demo']);
  t.teardown(() => demo.child.kill('SIGTERM'));
  t.equal(await demo.exitCode(), 0, 'exit code 0', {output: demo.output});
  const {output} = demo;
  for (const name of ['node1', 'node2', 'node3']) t.match(output, new RegExp(`${name} /readiness: 200`));
  for (const name of ['pod1a', 'pod1b', 'pod2a', 'pod2b', 'pod3a', 'pod3b'])
    t.match(output, new RegExp(`^ *${name}(?: +(?:-|\\d+\\.\\d)){6}$`, 'm'), `the row of ${name} is complete`);
  t.equal(output.match(/\(crosses subnets\)/g)?.length, 4);
  t.equal(output.match(/\(same subnet\)/g)?.length, 2);
  t.match(output, /via 10\.99\.1\.12 dev eth0 proto 80 onlink/, 'routes');
  t.match(output, /10\.244\.\d+\.\d+\/26/, 'blocks');
  t.match(output, /felix_resync_state 3/, 'metrics');
  await nothingStays(t, demo);
});

await t.test('make demo STORE=etcd', async (t) => {
  await requireInstalled();
  const demo = new Demo(['make', 'demo', 'STORE=etcd']);
  t.teardown(() => demo.child.kill('SIGTERM'));
  t.equal(await demo.exitCode(), 0, 'exit code 0', {output: demo.output});
  const {output} = demo;
  const row = (name: string, columns: number) => new RegExp(`^ *${name}(?: +(?:-|\\d+\\.\\d)){${columns}}$`, 'm');
  t.match(output, row('pod1a', 6), 'the matrix before');
  t.match(output, /SIGKILL to etcd/);
  t.equal(
    output.match(/^ {2}cannot connect to etcd: https:\/\/10\.99\.1\.250:2379: connect: /gm)?.length,
    2,
    'ADD and DEL say what could not be reached',
  );
  t.equal(output.match(/\/liveness: 200, \/readiness: 503: datastore out of step: .*10\.99\.1\.250/g)?.length, 3);
  t.match(output, /^ {2}[1-9]\d* datagrams .* none was lost$/m);
  t.match(output, row('pod1new', 8), 'the matrix afterwards');
  await nothingStays(t, demo);
});

await t.test('etcd dies before its time', async (t) => {
  const demo = nodeDemo({STORE: 'etcd'});
  t.teardown(() => demo.child.kill('SIGTERM'));
  await demo.printed(/six pods/);
  const etcd = demo.offspring.find(/^etcd --data-dir/);
  if (etcd === undefined) throw new Error(`there is no etcd:\n${demo.offspring.alive().join('\n')}`);
  process.kill(etcd, 'SIGKILL');
  t.equal(await demo.exitCode(), 1, 'exit code 1', {output: demo.output});
  t.match(demo.output, /FAILED:\n[\s\S]*10\.99\.1\.250:2379/, 'and what could not be reached');
  await nothingStays(t, demo);
});

await t.test('a store that is none', async (t) => {
  const demo = nodeDemo({STORE: 'paper'});
  t.equal(await demo.exitCode(), 1);
  t.match(demo.output, /STORE is paper: it must be embedded or etcd/);
});

await t.test('one failed cell', async (t) => {
  const demo = nodeDemo();
  t.teardown(() => demo.child.kill('SIGTERM'));
  await demo.printed(/an agent on each node/);
  const namespace = `${demo.lab}-node2`;
  const address = await eventually('a pod of node2 has a route', async () => {
    const routes = await runProgram(['ip', '-n', namespace, 'route']);
    return /^(10\.244\.\S+) dev cali/m.exec(routes.stdout)?.[1];
  });
  // A lower metric than the agent's route; with neither a protocol nor a device of the agent's it is none of its business.
  await mustRun(['ip', '-n', namespace, 'route', 'add', 'blackhole', address]);
  await demo.printed(/\.+x/);
  await mustRun(['ip', '-n', namespace, 'route', 'del', 'blackhole', address]);
  t.equal(await demo.exitCode(), 1, 'exit code 1', {output: demo.output});
  t.match(demo.output, /XX/, 'the matrix shows it');
  t.match(
    demo.output,
    new RegExp(`FAILED:[\\s\\S]*${address.replaceAll('.', '\\.')}.* icmp`),
    'and so does the summary',
  );
  await nothingStays(t, demo);
});

await t.test('an agent that does not come up', async (t) => {
  const demo = nodeDemo();
  t.teardown(() => demo.child.kill('SIGTERM'));
  const agent = await eventually('there is an agent', () => demo.offspring.find(/src\/node\/main\.ts/));
  process.kill(agent, 'SIGKILL');
  t.equal(await demo.exitCode(), 1, 'exit code 1', {output: demo.output});
  t.match(demo.output, /FAILED:\n/);
  await nothingStays(t, demo);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  await t.test(`${signal} in the middle`, async (t) => {
    const demo = nodeDemo();
    t.teardown(() => demo.child.kill('SIGKILL'));
    await demo.printed(/six pods/);
    demo.child.kill(signal);
    t.equal(await demo.exitCode(), 130, 'exit code 130', {output: demo.output});
    t.match(demo.output, /interrupted: removing the lab/);
    await nothingStays(t, demo);
  });

for (const store of ['embedded', 'etcd'])
  await t.test(`KEEP=1 leaves it running on ${store} and says how to look around and how to stop it`, async (t) => {
    const demo = nodeDemo({KEEP: '1', STORE: store});
    const stop = () => runProgram([process.execPath, `${root}/test/lab/remove-lab.ts`, demo.lab]);
    t.teardown(stop);
    t.equal(await demo.exitCode(), 0, 'exit code 0', {output: demo.output});
    const enter = / {2}(nsenter \S.*) ip route$/m.exec(demo.output)?.[1];
    t.type(enter, 'string', 'it says how to look around');
    const routes = await runProgram(['sh', '-c', `${enter} ip route`]);
    t.match(routes.stdout, /dev cali/, 'the pods are there');
    const health = await runProgram(['sh', '-c', `${enter} ${root}/bin/calico-node -felix-live -felix-ready`]);
    t.equal(health.code, 0, 'the agent runs');
    const calicoctl = / {2}(nsenter \S.* get workloadendpoints)$/m.exec(demo.output)?.[1] ?? 'false';
    t.match((await runProgram(['sh', '-c', calicoctl])).stdout, /\bpod2a\b/, 'the datastore is there');
    const remove = /(node_modules\/\.bin\/node test\/lab\/remove-lab\.ts clab\d+)$/m.exec(demo.output)?.[1];
    t.type(remove, 'string', 'it says how to stop it');
    execFileSync('sh', ['-c', remove ?? 'false'], {cwd: root});
    await nothingStays(t, demo);
  });

t.same(snapshotDifference(before, hostSnapshot()), [], "the machine's own network namespace is as it was");
t.same(machineFolders(), foldersBefore, 'and so are the folders an agent uses');

async function nothingStays(t: Test, {lab, offspring}: Demo): Promise<void> {
  t.same(
    existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.startsWith(`${lab}-`)) : [],
    [],
    'no network namespace stays',
  );
  t.notOk(existsSync(`/var/tmp/${lab}`), 'no folder stays');
  t.ok(offspring.seen > 3, 'the watch saw the processes of the demo');
  // What was killed last may still be on its way out.
  await eventually(
    'no process stays',
    () => offspring.alive().length === 0,
    () => offspring.alive(),
  );
}

/** Paths that an agent or a runtime uses, as far as they exist on the machine itself. */
function machineFolders(): string[] {
  const folders = [
    '/etc/calico',
    '/etc/cni/net.d',
    '/opt/cni/bin',
    '/var/lib/calico',
    '/var/log/calico',
    '/run/calico',
  ];
  return folders.flatMap((folder) =>
    existsSync(folder) ? [folder, ...readdirSync(folder).map((name) => `${folder}/${name}`)] : [],
  );
}
