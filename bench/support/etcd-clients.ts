/** Several processes that use one etcd at the same time. */
import {type ChildProcess, fork} from 'node:child_process';

export type ClientOrder =
  | {readonly kind: 'swap'; readonly count: number}
  /** So many addresses, `atOnce` requests waiting at any time. */
  | {readonly kind: 'assign'; readonly count: number; readonly atOnce: number}
  | {readonly kind: 'give back'};

/** What an order took. */
export interface ClientAnswer {
  readonly commits: number;
  readonly conflicts: number;
}

const PROGRAM = new URL('etcd-client-process.ts', import.meta.url).pathname;

export class EtcdClients implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** Starts them; each is a node with an allocator and a key of its own. There must be a pool. */
  static async start(endpoint: string, size: number): Promise<EtcdClients> {
    const names = Array.from({length: size}, (_, n) => `node-${n}`);
    const clients = new EtcdClients(names.map((name) => fork(PROGRAM, [endpoint, name], {execArgv: []})));
    await Promise.all(clients.#children.map(answerOf));
    return clients;
  }

  /** Gives all of them the same order at once; resolves when the last one has done it. */
  async run(order: ClientOrder): Promise<ClientAnswer> {
    const answers = this.#children.map(answerOf);
    for (const child of this.#children) child.send(order);
    const all = await Promise.all(answers);
    const sum = (value: (answer: ClientAnswer) => number) => all.reduce((total, answer) => total + value(answer), 0);
    return {commits: sum(({commits}) => commits), conflicts: sum(({conflicts}) => conflicts)};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map((child) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.disconnect();
        return ended;
      }),
    );
  }
}

function answerOf(child: ChildProcess): Promise<ClientAnswer> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error('a client of etcd ended'));
    child.once('exit', onExit);
    child.once('message', (answer) => {
      child.off('exit', onExit);
      resolve(answer as ClientAnswer);
    });
  });
}
