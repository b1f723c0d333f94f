/** An agent started under strace, and what it asked of the kernel that changes something. */
import {readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import type {LabNode} from '../../test/lab/lab-node.ts';
import {programs} from '../../test/lab/programs.ts';
import {spawnAgent} from './agent.ts';

export interface KernelWrites {
  /** Netlink messages that create, change or delete, by type: `RTM_NEWROUTE`. */
  readonly messages: ReadonlyMap<string, number>;
  /** Files below /proc/sys opened for writing. */
  readonly settings: readonly string[];
  /** Netlink requests that only ask, to show that the trace sees requests. */
  readonly questions: number;
}

const READY_LIMIT_MS = 300_000;

/** Starts the agent, waits until it is ready and `settle` has resolved, stops it. */
export async function traceStart(node: LabNode, settle: () => Promise<unknown>): Promise<KernelWrites> {
  const log = join(node.facts.folder, 'trace');
  rmSync(log, {force: true});
  const strace = ['strace', '-f', '-qq', '-s', '4096', '-e', 'trace=sendto,sendmsg,openat,open', '-o', log];
  // strace would rather end than hand a signal on: the agent itself is told to stop.
  const tracer = spawnAgent(node, [...strace, programs.calicoNode]);
  const ended = new Promise<void>((resolve) => tracer.once('exit', () => resolve()));
  try {
    await node.waitUntilReady(READY_LIMIT_MS);
    await settle();
  } finally {
    for (const pid of childrenOf(tracer.pid)) process.kill(pid, 'SIGTERM');
    await ended;
  }
  return readWrites(readFileSync(log, 'utf8'));
}

function childrenOf(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

/** Files are opened relative to /proc/sys/net as well. */
const SETTING =
  /\bopen(?:at)?\((?:[^,]+, )?"((?:\/proc\/sys\/|ipv4\/|ipv6\/|netfilter\/|core\/)[^"]*)", [^)]*O_(?:WRONLY|RDWR)/;

function readWrites(trace: string): KernelWrites {
  const messages = new Map<string, number>();
  const settings: string[] = [];
  let questions = 0;
  for (const line of trace.split('\n')) {
    const setting = SETTING.exec(line)?.[1];
    if (setting !== undefined) settings.push(setting);
    for (const [, type = ''] of line.matchAll(/nlmsg_type=(\w+)/g)) {
      if (type.startsWith('RTM_GET')) questions++;
      else messages.set(type, (messages.get(type) ?? 0) + 1);
    }
  }
  return {messages, settings, questions};
}
