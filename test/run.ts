/**
 * Runs the tests, a process per file, tier by tier, and ends in one line: `N passed, N failed[, N skipped]`.
 *
 * A file that a tier lists for several datastores runs once with each, named by the variable STORE. A test is what a file
 * declares at its top level. A skip counts as a failure unless `test/tiers.json` allows it by
 * name: a tier that silently does not run proves nothing. Before and after, the network namespace of the machine is
 * compared: no test may change it.
 *
 *   node test/run.ts [--tier NAME] [FILE...]
 */
import {execFileSync, spawn} from 'node:child_process';
import {globSync, readFileSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {parseArgs} from 'node:util';
import {Parser} from 'tap-parser';
import {hostSnapshot, snapshotDifference} from './helpers/host-snapshot.ts';

interface Tier {
  readonly folder: string;
  readonly jobs: number;
  readonly timeoutSeconds: number;
  readonly needs: string;
  /** Datastores, and the files of the tier that run with each of them; the others choose for themselves. */
  readonly perStore?: {readonly stores: readonly string[]; readonly files: readonly string[]};
}

/** A file, and what it runs with. */
interface Run {
  readonly file: string;
  readonly store: string | undefined;
}

interface TierFile {
  readonly tiers: Readonly<Record<string, Tier>>;
  /** Test name -> why it may be skipped. */
  readonly maySkip: Readonly<Record<string, string>>;
}

interface FileResult {
  /** `test/cluster/pods.test.ts`, or `test/cluster/pods.test.ts on etcd`. */
  readonly file: string;
  readonly passed: number;
  readonly failures: readonly string[];
  readonly skips: readonly {readonly name: string; readonly reason: string}[];
  readonly output: string;
  readonly seconds: number;
}

const config = JSON.parse(readFileSync(new URL('tiers.json', import.meta.url), 'utf8')) as TierFile;

const {values, positionals} = parseArgs({allowPositionals: true, options: {tier: {type: 'string', multiple: true}}});
// The first `ip netns add` on a machine turns the folder of namespaces into a mount point; two at once hide each other's.
execFileSync('ip', ['netns', 'add', `ct-${process.pid}-first`]);
execFileSync('ip', ['netns', 'del', `ct-${process.pid}-first`]);
const before = hostSnapshot();
const results: FileResult[] = [];
const tiersRun: string[] = [];

for (const [name, tier] of Object.entries(config.tiers)) {
  if (values.tier && !values.tier.includes(name)) continue;
  const all = globSync(`${tier.folder}/**/*.test.ts`)
    .sort()
    .flatMap((file) => runsOf(file, tier));
  const runs =
    positionals.length === 0 ? all : all.filter((run) => positionals.some((wanted) => nameOf(run).includes(wanted)));
  if (runs.length === 0) continue;
  console.log(`== ${name}: ${runs.length} files (${tier.needs})`);
  tiersRun.push(name);
  await inParallel(Math.min(tier.jobs, availableParallelism()), runs, async (run) => {
    const result = await runFile(run, tier.timeoutSeconds);
    results.push(result);
    report(result);
  });
}
process.exitCode = summarise(results);

/** STORE leaves one of several stores. */
function runsOf(file: string, {folder, perStore}: Tier): Run[] {
  const isPerStore = perStore?.files.some((name) => file === `${folder}/${name}`) ?? false;
  if (perStore === undefined || !isPerStore) return [{file, store: undefined}];
  const wanted = process.env.STORE || undefined;
  if (wanted !== undefined && !perStore.stores.includes(wanted))
    throw new Error(`STORE is ${wanted}: it must be one of ${perStore.stores.join(', ')}`);
  return perStore.stores.filter((store) => store === (wanted ?? store)).map((store) => ({file, store}));
}

function nameOf({file, store}: Run): string {
  return store === undefined ? file : `${file} on ${store}`;
}

async function inParallel<T>(jobs: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({length: jobs}, worker));
}

function runFile(run: Run, timeoutSeconds: number): Promise<FileResult> {
  const startedMs = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', run.file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      // The limit of a file is ours to set; tap's own would end a file on a busy machine.
      env: {...process.env, TAP_TIMEOUT: String(timeoutSeconds), STORE: run.store},
    });
    let output = '';
    let passed = 0;
    const failures: string[] = [];
    const skips: {name: string; reason: string}[] = [];
    const parser = new Parser({}, (tap) => {
      if (!tap.ok && failures.length === 0) failures.push('the file as a whole');
    });
    parser.on('assert', (assert) => {
      if (assert.skip) skips.push({name: assert.name, reason: String(assert.skip)});
      else if (assert.ok) passed++;
      else failures.push(assert.name);
    });
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      parser.write(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      // A test has the chance to remove what it made before the whole group ends.
      if (child.pid !== undefined) process.kill(child.pid, 'SIGTERM');
      setTimeout(() => child.pid !== undefined && killGroup(child.pid), 5000).unref();
    }, timeoutSeconds * 1000);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      parser.end();
      if (timedOut) failures.push(`no result within ${timeoutSeconds} s`);
      else if (code !== 0 && failures.length === 0) failures.push(`ended with ${signal ?? `exit code ${code}`}`);
      const seconds = (performance.now() - startedMs) / 1000;
      resolve({file: nameOf(run), passed, failures, skips, output, seconds});
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

function report(result: FileResult): void {
  const skipped = result.skips.length > 0 ? `, ${result.skips.length} skipped` : '';
  const word = result.failures.length > 0 ? 'FAIL' : 'ok  ';
  console.log(`${word} ${result.file}: ${result.passed} passed${skipped} (${result.seconds.toFixed(1)} s)`);
  if (result.failures.length > 0) console.log(result.output.split('\n').slice(-400).join('\n'));
}

function summarise(all: readonly FileResult[]): number {
  const skips = all.flatMap((result) => result.skips.map((skip) => ({file: result.file, ...skip})));
  const allowed = skips.filter((skip) => Object.hasOwn(config.maySkip, skip.name));
  const failures = all.flatMap((result) => result.failures.map((name) => `${result.file}: ${name}`));
  for (const skip of skips) {
    if (!allowed.includes(skip))
      failures.push(`${skip.file}: ${skip.name}: skipped, which test/tiers.json does not allow (${skip.reason})`);
  }
  let passed = all.reduce((sum, result) => sum + result.passed, 0);
  const changes = snapshotDifference(before, hostSnapshot());
  if (changes.length === 0) passed++;
  else failures.push(`the machine's own network namespace was changed:\n${changes.join('\n')}`);

  if (failures.length > 0) console.log(`\nfailed:\n${failures.map((failure) => `  ${failure}`).join('\n')}`);
  for (const skip of allowed) console.log(`skipped: ${skip.name}: ${config.maySkip[skip.name]}`);
  console.log(`tiers run: ${tiersRun.join(', ') || 'none'}`);
  console.log(`${passed} passed, ${failures.length} failed${allowed.length > 0 ? `, ${allowed.length} skipped` : ''}`);
  return failures.length === 0 && all.length > 0 ? 0 : 1;
}
