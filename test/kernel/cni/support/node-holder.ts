/**
 * A node for replayed calls: network and mount namespaces held by a process, so that the paths of the captures are real
 * inside - /run/netns, /opt/cni/bin, the agent's default socket - and nothing of it is seen outside.
 */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, openSync} from 'node:fs';
import type {Json, TestNamespace} from '../../netlink/support/test-namespace.ts';
import {type CniAnswer, type CniCallOptions, PLUGIN_FOLDER, runPlugin} from './run-plugin.ts';

/** Where the plugin is seen inside: the checkout may lie in a folder that is hidden there. */
const PLUGIN_FOLDER_INSIDE = '/media';

const SETUP = `set -e
mount --bind "$2" "$3"
for each in /run /opt /var/lib /mnt; do mount -t tmpfs none $each; done
mkdir -p /run/netns /opt/cni/bin /var/lib/calico /run/calico/cni
mount --bind /usr/lib/cni /opt/cni/bin
mount --bind "$1" /run/calico/cni
mount -t tmpfs none /tmp
echo regular > /tmp/g2file
ip link set lo up
echo ready
exec cat`;

export class NodeHolder {
  readonly #child: ChildProcess;
  readonly namespace: TestNamespace;
  readonly #enter: readonly string[];

  private constructor(child: ChildProcess) {
    this.#child = child;
    const pid = String(child.pid);
    this.#enter = ['nsenter', '-t', pid, '--net', '--mount', '--'];
    const fd = openSync(`/proc/${pid}/ns/net`, 'r');
    const ip = (...args: readonly string[]) => this.run('ip', ...args);
    const parse = (text: string): Json[] => (text.trim() === '' ? [] : (JSON.parse(text) as Json[]));
    this.namespace = {
      name: `process ${pid}`,
      fd,
      ip,
      batch: () => undefined,
      bridge: (...args) => this.run('bridge', ...args),
      ipJson: (...args) => parse(ip('-j', ...args)),
      bridgeJson: (...args) => parse(this.run('bridge', '-j', ...args)),
      [Symbol.dispose]: () => closeSync(fd),
    };
  }

  /** `socketFolder` appears inside as the folder of the agent's default socket. */
  static async start(socketFolder: string): Promise<NodeHolder> {
    const namespaces = ['--mount', '--net', '--propagation', 'private'];
    const setup = ['sh', '-c', SETUP, 'sh', socketFolder, PLUGIN_FOLDER, PLUGIN_FOLDER_INSIDE];
    const child = spawn('unshare', [...namespaces, ...setup], {stdio: ['pipe', 'pipe', 'inherit']});
    await once(child.stdout, 'data');
    return new NodeHolder(child);
  }

  /** Runs a program inside; returns what it prints. */
  run(program: string, ...args: readonly string[]): string {
    const [enter = '', ...rest] = this.#enter;
    return execFileSync(enter, [...rest, program, ...args], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']});
  }

  addNamespace(name: string): void {
    this.run('ip', 'netns', 'add', name);
  }

  removeNamespace(name: string): void {
    this.run('ip', 'netns', 'del', name);
  }

  hasNamespace(name: string): boolean {
    return this.run('ip', 'netns', 'list')
      .split('\n')
      .some((line) => line.split(' ')[0] === name);
  }

  /** Runs the CNI plugin inside. */
  call(options: CniCallOptions): Promise<CniAnswer> {
    return runPlugin(options, {enter: this.#enter, folder: PLUGIN_FOLDER_INSIDE});
  }

  async stop(): Promise<void> {
    this.namespace[Symbol.dispose]();
    const ended = once(this.#child, 'close');
    this.#child.stdin?.end();
    await ended;
  }
}
