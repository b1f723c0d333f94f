/** A lab with agents, and waiting for what they have taken in. */
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {Lab} from '../../test/lab/lab.ts';
import type {LabNode} from '../../test/lab/lab-node.ts';
import {networkConfig} from '../../test/lab/lab-pod.ts';
import {programs} from '../../test/lab/programs.ts';
import {endProcess, labPath} from '../../test/lab/run-program.ts';
import type {Plugin} from './plugin-calls.ts';
import {POOL} from './remote-content.ts';

export const ourPlugin: Plugin = {path: programs.cni, config: networkConfig()};

const LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 10_000;

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

export interface RunningAgent extends AsyncDisposable {
  readonly pid: number;
  /** Idempotent. */
  stop(): Promise<void>;
}

export interface AgentOptions {
  /** Command line; bin/calico-node when absent. */
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts an agent in the node and waits until it is ready. */
export async function startAgent(node: LabNode, {command, environment = {}}: AgentOptions = {}): Promise<RunningAgent> {
  const child = spawnAgent(node, command ?? [programs.calicoNode], environment);
  const stop = () => endProcess(child, STOP_LIMIT_MS);
  try {
    await node.waitUntilReady(LIMIT_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  if (child.pid === undefined) throw new Error('the agent did not start');
  return {pid: child.pid, stop, [Symbol.asyncDispose]: stop};
}

/** Runs a command in the node with the environment of an agent; its output is appended to the log of the node's agent. */
export function spawnAgent(
  node: LabNode,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const [program = '', ...args] = [...node.enter, ...command];
  const log = openSync(node.agentLogFile, 'a');
  const env = {PATH: labPath, ...node.agentEnvironment({...AGENT_SETTINGS, ...environment})};
  const child = spawn(program, args, {stdio: ['ignore', log, log], env});
  closeSync(log);
  return child;
}

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
