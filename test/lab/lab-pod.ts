/** A pod: a network namespace inside a node, connected by the CNI binary, and a process in it that sends and answers. */
import {createHash} from 'node:crypto';
import {PodProcess} from './pod-process-client.ts';
import {programs} from './programs.ts';
import {mustRun, type ProgramOptions, type ProgramResult, runProgram} from './run-program.ts';

/** The node a pod lives in, as far as the pod needs it. */
export interface PodHost {
  readonly name: string;
  readonly enter: readonly string[];
  readonly pods: LabPod[];
  run(command: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  must(command: readonly string[], options?: ProgramOptions): Promise<string>;
  agentLog(): string;
}

export interface PodOptions {
  readonly name: string;
  /** Sandbox of the pod: 64 hexadecimal digits made of node and name when absent. */
  readonly containerId?: string;
  /** Fields added to the network configuration, or replacing its own. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Added to what kubelet passes in CNI_ARGS, for example `IP=10.65.0.7`. */
  readonly args?: string;
}

/** What the runtime is told by a CNI 1.0 result. */
export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces?: readonly {readonly name: string; readonly mac?: string; readonly sandbox?: string}[];
  readonly ips?: readonly {readonly address: string; readonly interface?: number}[];
}

/** The network configuration a node's runtime would have in /etc/cni/net.d. */
export function networkConfig(extra: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    cniVersion: '1.0.0',
    name: 'k8s-pod-network',
    type: 'calico',
    ipam: {type: 'calico-ipam', assign_ipv4: 'true', assign_ipv6: 'false'},
    policy: {},
    ...extra,
  };
}

export class LabPod {
  readonly node: PodHost;
  readonly name: string;
  readonly containerId: string;
  readonly #options: PodOptions;
  #process: Promise<PodProcess> | undefined;
  /** Result of the last successful ADD. */
  result: CniResult | undefined;

  constructor(node: PodHost, options: PodOptions) {
    this.node = node;
    this.name = options.name;
    this.containerId = options.containerId ?? createHash('sha256').update(`${node.name} ${options.name}`).digest('hex');
    this.#options = options;
  }

  /** Address of a family without its prefix length. */
  address(family: 4 | 6): string | undefined {
    const ip = this.result?.ips?.find((entry) => entry.address.includes(':') === (family === 6));
    return ip?.address.split('/')[0];
  }

  get enter(): readonly string[] {
    return [...this.node.enter, 'nsenter', `--net=/run/netns/${this.name}`, '--'];
  }

  run(command: readonly string[], options?: ProgramOptions): Promise<ProgramResult> {
    return runProgram([...this.enter, ...command], options);
  }

  async create(): Promise<void> {
    await this.node.must(['ip', 'netns', 'add', this.name]);
    await mustRun([...this.enter, 'ip', 'link', 'set', 'lo', 'up']);
    await this.add();
  }

  /** CNI ADD; throws with the plugin's answer when it fails. */
  async add(): Promise<CniResult> {
    const answer = await this.cni('ADD');
    if (answer.code !== 0) {
      const log = this.node.agentLog().split('\n').slice(-15).join('\n');
      throw new Error(`CNI ADD of ${this.name} on ${this.node.name} failed: ${answer.stdout}${answer.stderr}\n${log}`);
    }
    this.result = JSON.parse(answer.stdout) as CniResult;
    return this.result;
  }

  /** Calls the CNI binary as a runtime does. */
  cni(verb: string, overrides: {env?: Record<string, string>; stdin?: string} = {}): Promise<ProgramResult> {
    return this.node.run([programs.cni], {
      stdin: overrides.stdin ?? JSON.stringify(networkConfig(this.#options.config)),
      env: {
        CNI_COMMAND: verb,
        CNI_CONTAINERID: this.containerId,
        CNI_NETNS: `/run/netns/${this.name}`,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/opt/cni/bin',
        CNI_ARGS: this.#arguments(),
        ...overrides.env,
      },
    });
  }

  /** CNI_ARGS as kubelet's runtime fills them. */
  #arguments(): string {
    const pod = `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${this.name};K8S_POD_INFRA_CONTAINER_ID=${this.containerId}`;
    const {args} = this.#options;
    return `IgnoreUnknown=1;${pod}${args === undefined ? '' : `;${args}`}`;
  }

  /** The process inside the pod that answers and sends; started on first use. */
  process(): Promise<PodProcess> {
    this.#process ??= PodProcess.start(this.enter);
    return this.#process;
  }

  /** Lets the lab's process end while the one in the pod goes on. */
  async release(): Promise<void> {
    (await this.#process)?.release();
  }

  /** CNI DEL, then the namespace. */
  async remove(): Promise<void> {
    await this.close();
    const answer = await this.cni('DEL');
    if (answer.code !== 0) throw new Error(`CNI DEL of ${this.name} failed: ${answer.stdout}${answer.stderr}`);
    await this.node.must(['ip', 'netns', 'del', this.name]);
    const at = this.node.pods.indexOf(this);
    if (at >= 0) this.node.pods.splice(at, 1);
  }

  /** Ends the process inside; namespace and network go with the lab. */
  async close(): Promise<void> {
    const started = this.#process;
    this.#process = undefined;
    await started?.then(
      (process) => process.close(),
      () => {},
    );
  }
}
