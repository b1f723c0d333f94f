/** A lab with agents, and waiting for what they have taken in. */
import {setTimeout as sleep} from 'node:timers/promises';
import {Lab} from '../../test/lab/lab.ts';
import type {LabNode} from '../../test/lab/lab-node.ts';
import {networkConfig} from '../../test/lab/lab-pod.ts';
import {programs} from '../../test/lab/programs.ts';
import type {Plugin} from './plugin-calls.ts';
import {POOL} from './remote-content.ts';

export const ourPlugin: Plugin = {path: programs.cni, config: networkConfig()};

const LIMIT_MS = 120_000;

/** Settings of every agent that is measured. */
const AGENT_SETTINGS: Readonly<Record<string, string>> = {
  CALICO_IPV4POOL_CIDR: POOL,
  CALICO_IPV4POOL_VXLAN: 'Always',
  CALICO_IPV6POOL_CIDR: 'none',
};

export interface DisposableLab extends AsyncDisposable {
  readonly lab: Lab;
}

export async function makeLab(): Promise<DisposableLab> {
  const lab = await Lab.create({subnets: 1});
  return {lab, [Symbol.asyncDispose]: () => lab.close()};
}

/** Starts the agent and waits until it is ready; returns its process id. */
export async function startAgent(node: LabNode, extra: Readonly<Record<string, string>> = {}): Promise<number> {
  const agent = node.startAgent({...AGENT_SETTINGS, ...extra});
  await node.waitUntilReady(LIMIT_MS);
  if (agent.pid === undefined) throw new Error('the agent did not start');
  return agent.pid;
}

/** Environment of an agent that is started by other means than `startAgent`. */
export const agentEnvironment = (node: LabNode): Readonly<Record<string, string>> =>
  node.agentEnvironment(AGENT_SETTINGS);

/** Waits until the agent wants so many routes and the kernel has them. */
export async function waitForRoutes(node: LabNode, least: number): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  for (;;) {
    const text = await node.must(['sh', '-c', 'ip -4 route show | wc -l']);
    if (Number(text) >= least) return;
    if (performance.now() > deadlineMs) throw new Error(`${text.trim()} routes, not ${least}`);
    await sleep(50);
  }
}

/** Waits until a metric of the agent's has reached a value. */
export async function waitForMetric(node: LabNode, name: string, least: number): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  for (;;) {
    const {body} = await node.httpGet(9091, '/metrics');
    const value = Number(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'm').exec(body)?.[1] ?? Number.NaN);
    if (value >= least) return;
    if (performance.now() > deadlineMs) throw new Error(`${name} is ${value}, not ${least}`);
    await sleep(100);
  }
}
