/**
 * Deletes links that many callers want gone, one each, at the same time: CNI DELs that come together.
 *
 * The kernel needs some 20 ms for one link and hardly more for a hundred in one group. So whatever is asked for in one
 * turn of the event loop, or while a deletion is under way, goes in the next request together. It has a socket of its
 * own, so that nothing else queues behind it.
 */
import {netlinkError, type Outcome} from './kernel-answer.ts';
import {deleteLinks} from './links.ts';
import {RouteSocket, type RouteSocketDependencies, type RouteSocketOptions} from './route-socket.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class LinkDeleter implements Disposable {
  readonly #socket: RouteSocket;
  /** By name, those who wait for the next request. */
  #waiting = new Map<string, Waiting[]>();
  #running = false;

  constructor(options: RouteSocketOptions = {}, dependencies: RouteSocketDependencies = {}) {
    this.#socket = new RouteSocket(options, dependencies);
  }

  /** Resolves when the link is gone, also when there was none. Rejects with E_NETLINK when the kernel refuses. */
  delete(name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const callers = this.#waiting.get(name);
      if (callers === undefined) this.#waiting.set(name, [{resolve, reject}]);
      else callers.push({resolve, reject});
      if (this.#running) return;
      this.#running = true;
      setImmediate(() => void this.#run());
    });
  }

  /** Idempotent. A request under way settles first; those still waiting fail. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = this.#waiting;
      this.#waiting = new Map();
      await this.#deleteBatch(batch);
    }
    this.#running = false;
  }

  async #deleteBatch(batch: ReadonlyMap<string, readonly Waiting[]>): Promise<void> {
    try {
      const outcomes = await deleteLinks(this.#socket, [...batch.keys()]);
      let position = 0;
      for (const [name, callers] of batch) settle(name, outcomes[position++], callers);
    } catch (error) {
      for (const callers of batch.values()) for (const caller of callers) caller.reject(error);
    }
  }
}

function settle(name: string, outcome: Outcome | undefined, callers: readonly Waiting[]): void {
  for (const {resolve, reject} of callers) {
    if (outcome === undefined || outcome.ok) resolve();
    else reject(netlinkError(outcome, 'delete link', {name}));
  }
}
