/**
 * Measures the product beside its peers and floors, in the same run:
 *
 *   node bench/run.ts [NAME...] [--json] [--rounds N]
 *
 * One table per bench. Every ratio is one of values taken in turns; its smallest and largest over the rounds say how far
 * to trust it. A missed goal is printed, not an error: exit code 1 means that something could not be measured.
 */
import {availableParallelism, loadavg} from 'node:os';
import {parseArgs} from 'node:util';
import type {BenchOptions} from './measure/bench.ts';
import type {Report} from './measure/row.ts';
import {formatReport} from './measure/table.ts';
import {buildFloor} from './support/programs.ts';

type Bench = (options: BenchOptions) => Promise<Report>;

/** Loaded only when wanted: what one bench loads must not weigh on the figures of another. */
const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  cni: async () => (await import('./cni.ts')).benchCni,
  ipam: async () => (await import('./ipam.ts')).benchIpam,
  etcd: async () => (await import('./etcd.ts')).benchEtcd,
  routes: async () => (await import('./routes.ts')).benchRoutes,
  memory: async () => (await import('./memory.ts')).benchMemory,
  restart: async () => (await import('./restart.ts')).benchRestart,
};

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {json: {type: 'boolean', default: false}, rounds: {type: 'string', default: '7'}},
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
const rounds = Number(values.rounds);
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`usage: bench [${Object.keys(BENCHES).join('|')}]... [--json] [--rounds N]`);
  process.exit(2);
}

const reports: Report[] = [];
await buildFloor();
for (const name of names) {
  try {
    const bench = await BENCHES[name]?.();
    if (bench === undefined) continue;
    const report = await bench({rounds, progress: (text) => process.stderr.write(`${name}: ${text}\n`)});
    reports.push(report);
    if (!values.json) console.log(`\n${formatReport(report)}`);
  } catch (error) {
    console.error(`${name}: could not be measured:`, error);
    process.exitCode = 1;
  }
}
const machine = {processors: availableParallelism(), load: loadavg(), node: process.version};
if (values.json) console.log(JSON.stringify({machine, reports}, undefined, 2));
else console.log(`\n${machine.processors} processors, load ${machine.load[0]?.toFixed(1)}, Node ${machine.node}`);
