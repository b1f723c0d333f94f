/** CNI plugins called inside a lab node the way a container runtime does, by one small C program for all of them. */
import type {LabNode} from '../../test/lab/lab-node.ts';
import {floor} from './programs.ts';

export interface Plugin {
  /** Path of the executable. */
  readonly path: string;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface CallTimes {
  /** Of each call, from its own start to its end. */
  readonly callsMs: readonly number[];
  /** From the first start to the last end, of the calls that were started together. */
  readonly groupsMs: readonly number[];
}

/** A number of pods: network namespaces `<prefix>0`, `<prefix>1`, ... of a node. They stay; only their interfaces come and go. */
export class PodSet {
  readonly #node: LabNode;
  readonly #prefix: string;

  private constructor(node: LabNode, prefix: string) {
    this.#node = node;
    this.#prefix = prefix;
  }

  static async create(node: LabNode, prefix: string, count: number): Promise<PodSet> {
    const script = `for i in $(seq 0 ${count - 1}); do ip netns add ${prefix}$i; done`;
    await node.must(['sh', '-ec', script]);
    return new PodSet(node, prefix);
  }

  /** Calls the plugin once for each of the first `count` pods, `parallel` of them at once. Throws when one call fails. */
  async call(plugin: Plugin, verb: 'ADD' | 'DEL', count: number, parallel: number): Promise<CallTimes> {
    const command = [floor.runtime, plugin.path, verb, this.#prefix, String(count), String(parallel)];
    const text = await this.#node.must(command, {stdin: JSON.stringify(plugin.config)});
    return {callsMs: parseTimes(text, 'call'), groupsMs: parseTimes(text, 'group')};
  }

  /** The kernel work alone, in one process, for each of the first `count` pods. */
  async plumbInProcess(verb: 'ADD' | 'DEL', count: number): Promise<readonly number[]> {
    return parseTimes(await this.#node.must([floor.plumb, verb, this.#prefix, String(count)]), 'call');
  }
}

/** Lines `word MICROSECONDS`, in milliseconds. */
function parseTimes(text: string, word: string): number[] {
  return text.split('\n').flatMap((line) => (line.startsWith(word) ? [Number(line.slice(word.length)) / 1000] : []));
}
