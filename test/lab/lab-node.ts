/** One node of a lab: programs run in it, an agent, pods made by the CNI binary the way a container runtime does. */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, mkdirSync, openSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {LabPod, type PodOptions} from './lab-pod.ts';
import {programs} from './programs.ts';
import {endProcess, mustRun, type ProgramOptions, type ProgramResult, runProgram} from './run-program.ts';

export interface LabNodeFacts {
  readonly name: string;
  readonly namespace: string;
  /** Name of the node's port in the lab's switch. */
  readonly switchPort: string;
  readonly holderPid: number;
  readonly folder: string;
  /** Of the embedded store, when the lab has that. */
  readonly storeFolder: string;
  /** The settings of the datastore. */
  readonly storeEnvironment: Readonly<Record<string, string>>;
  readonly ipv4: string;
  readonly ipv6: string;
}

export class LabNode {
  readonly facts: LabNodeFacts;
  readonly pods: LabPod[] = [];
  #agent: ChildProcess | undefined;

  constructor(facts: LabNodeFacts) {
    this.facts = facts;
  }

  get name(): string {
    return this.facts.name;
  }

  get switchPort(): string {
    return this.facts.switchPort;
  }

  /** Prefix of a command line that runs in this node's namespaces. */
  get enter(): readonly string[] {
    return ['nsenter', '-t', String(this.facts.holderPid), '--net', '--mount', '--uts', '--'];
  }

  run(command: readonly string[], options?: ProgramOptions): Promise<ProgramResult> {
    return runProgram([...this.enter, ...command], options);
  }

  must(command: readonly string[], options?: ProgramOptions): Promise<string> {
    return mustRun([...this.enter, ...command], options);
  }

  /** `ip -j` in the node, parsed. */
  async ipJson(...args: string[]): Promise<Record<string, unknown>[]> {
    const text = await this.must(['ip', '-j', ...args]);
    return text.trim() === '' ? [] : (JSON.parse(text) as Record<string, unknown>[]);
  }

  /** Environment of an agent on this node, on the store that all nodes of the lab share. */
  agentEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      NODENAME: this.name,
      IP: 'autodetect',
      ...this.facts.storeEnvironment,
      CALICO_NETWORKING_BACKEND: 'vxlan',
      FELIX_HEALTHENABLED: 'true',
      FELIX_PROMETHEUSMETRICSENABLED: 'true',
      ...extra,
    };
  }

  get agentLogFile(): string {
    return join(this.facts.folder, 'agent.log');
  }

  agentLog(): string {
    try {
      return readFileSync(this.agentLogFile, 'utf8');
    } catch {
      return '';
    }
  }

  /**
   * Starts bin/calico-node in the foreground of this node; its log goes to `agentLogFile`. `wrapper` is the beginning
   * of a command line that runs it in its own process, as `strace -D` does.
   */
  startAgent(extra: Readonly<Record<string, string>> = {}, wrapper: readonly string[] = []): ChildProcess {
    mkdirSync(this.facts.folder, {recursive: true});
    const log = openSync(this.agentLogFile, 'a');
    const [program = '', ...args] = [...this.enter, ...wrapper, programs.calicoNode];
    const env = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...this.agentEnvironment(extra)};
    const agent = spawn(program, args, {stdio: ['ignore', log, log], env, detached: true});
    closeSync(log);
    this.#agent = agent;
    return agent;
  }

  get agent(): ChildProcess | undefined {
    return this.#agent;
  }

  /** Waits until /readiness answers 200; fails with its body and the agent's log when that takes too long. */
  async waitUntilReady(limitMs = 30_000): Promise<void> {
    const deadlineMs = performance.now() + limitMs;
    for (;;) {
      const answer = await this.httpGet(9099, '/readiness');
      if (answer.status >= 200 && answer.status < 300) return;
      const agent = this.#agent;
      const ended = agent !== undefined && (agent.exitCode !== null || agent.signalCode !== null);
      if (ended || performance.now() > deadlineMs) {
        const log = this.agentLog().split('\n').slice(-30).join('\n');
        throw new Error(`agent of ${this.name} is not ready: ${answer.status} ${answer.body}\n${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** GET http://localhost:port/path from inside the node; status 0 when nobody answers. */
  async httpGet(port: number, path: string): Promise<{status: number; body: string}> {
    const script = new URL('http-get.sh', import.meta.url).pathname;
    const result = await this.run([script, String(port), path]);
    const [head = '', ...rest] = result.stdout.split('\r\n\r\n');
    return {status: Number(/^HTTP\/1\.[01] ([0-9]+)/.exec(head)?.[1] ?? 0), body: rest.join('\r\n\r\n')};
  }

  /** SIGTERM; resolves when the agent is gone. */
  async stopAgent(): Promise<void> {
    if (this.#agent) await endProcess(this.#agent, 15_000);
    this.#agent = undefined;
  }

  /** SIGKILL: the agent has no say in it. */
  async killAgent(): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return;
    const gone = once(agent, 'exit');
    agent.kill('SIGKILL');
    await gone;
  }

  /** Makes a network namespace and has the CNI binary connect it. */
  async addPod(options: PodOptions): Promise<LabPod> {
    const pod = new LabPod(this, options);
    await pod.create();
    this.pods.push(pod);
    return pod;
  }

  calicoctl(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
    const env = {...this.facts.storeEnvironment, ...options.env};
    return this.run([programs.calicoctl, ...args], {...options, env});
  }

  async release(): Promise<void> {
    this.#agent?.unref();
    await Promise.all(this.pods.map((pod) => pod.release()));
  }

  async close(): Promise<void> {
    await Promise.all(this.pods.map((pod) => pod.close()));
    await this.stopAgent();
  }
}
