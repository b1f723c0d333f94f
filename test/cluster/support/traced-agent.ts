/**
 * An agent under strace: which of its system calls change something in the kernel's network state.
 *
 * strace runs inside the node, so it knows netlink sockets of the node by protocol and prints names of messages. It
 * stays beside the agent (-D), so that signals sent to the process of the agent reach the agent.
 */
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {LabNode} from '../../lab/lab-node.ts';
import type {Cluster} from './cluster.ts';
import {eventually} from './eventually.ts';

export interface Traced {
  /** Netlink messages that change something, and settings opened for writing. */
  readonly writes: readonly string[];
  /** Requests that only read: the proof that the trace saw the agent. */
  readonly reads: number;
}

/** Starts the agent, has it reach readiness, does `meanwhile`, stops it, and reads the trace. */
export async function traceAgent(
  cluster: Cluster,
  node: LabNode,
  options: {readonly environment?: Record<string, string>; readonly meanwhile?: () => Promise<void>} = {},
): Promise<Traced> {
  const file = join(node.facts.folder, `trace-${performance.now().toFixed(0)}`);
  const calls = 'trace=sendmsg,sendto,sendmmsg,openat,open';
  const wrapper = ['strace', '-D', '-f', '-q', '-s', '256', '-e', calls, '-e', 'signal=none', '-o', file];
  cluster.startAgent(node, options.environment, wrapper);
  const pid = node.agent?.pid ?? 0;
  await node.waitUntilReady(120_000);
  await options.meanwhile?.();
  await node.stopAgent();
  const ended = new RegExp(`^${pid} +\\+\\+\\+ (exited|killed)`, 'm');
  const lines = await eventually('the trace is complete', () => {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return ended.test(text) && text.split('\n');
  });
  return {
    writes: lines.filter(changesSomething),
    reads: lines.filter((line) => /nlmsg_type=(RTM_GET|0x[0-9a-f]*[26ae],)/.test(line)).length,
  };
}

/**
 * A request other than RTM_GET..., or a file below /proc/sys opened for writing. In a namespace that is not strace's
 * own, messages appear by number only: of each four from 16 on, the third asks and the others change.
 */
function changesSomething(call: string): boolean {
  const messages = [...call.matchAll(/nlmsg_type=(?:(RTM_[A-Z]+)|(0x[0-9a-f]+))/g)];
  if (/\bsend(to|msg|mmsg)\(/.test(call)) {
    return messages.some(([, name, number]) =>
      name === undefined ? Number(number) >= 16 && Number(number) % 4 !== 2 : !name.startsWith('RTM_GET'),
    );
  }
  return /\/proc\/sys\/|"(net|ipv4|ipv6|netfilter)\//.test(call) && /O_WRONLY|O_RDWR/.test(call);
}
