/**
 * A way between two programs that a test can disturb: cut in one direction, slowed down, severed, closed for new
 * connections. A cut holds bytes back and loses none, as TCP does when a path is broken and mended.
 */
import {once} from 'node:events';
import {connect, createServer, type Server, type Socket} from 'node:net';
import {setTimeout as pause} from 'node:timers/promises';
import type {Test} from 'tap';

export type Direction = 'to-server' | 'to-client';

export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #cuts = new Map<Direction, PromiseWithResolvers<void>>();
  #isClosed = false;
  #delayMs = 0;
  #heldBytes = 0;
  #hook: {bytesLeft: number; readonly task: () => Promise<void>} | undefined;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      if (this.#isClosed) {
        client.destroy();
        return;
      }
      const target = connect(targetPort, '127.0.0.1');
      for (const socket of [client, target]) {
        this.#sockets.add(socket);
        socket.setNoDelay();
        socket.once('close', () => {
          this.#sockets.delete(socket);
          (socket === client ? target : client).destroy();
        });
        socket.on('error', () => socket.destroy());
      }
      void this.#forward(client, target, 'to-server');
      void this.#forward(target, client, 'to-client');
    });
  }

  static async start(t: Test, targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    t.teardown(() => {
      proxy.#server.close();
      proxy.sever();
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  /** Nothing goes that way any more, on connections there are and new ones. */
  cut(direction: Direction): void {
    if (!this.#cuts.has(direction)) this.#cuts.set(direction, Promise.withResolvers());
  }

  /** All goes through again, at full speed. */
  mend(): void {
    for (const {resolve} of this.#cuts.values()) resolve();
    this.#cuts.clear();
    this.#isClosed = false;
    this.#delayMs = 0;
  }

  /** Bytes that came to a cut, and wait there. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Each piece takes so long either way. */
  slowDown(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Ends the connections there are. */
  sever(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends new connections at once. */
  close(): void {
    this.#isClosed = true;
  }

  /** Runs `task` when so many more bytes have gone to clients; nothing goes there before it is done. */
  afterBytesToClient(bytesLeft: number, task: () => Promise<void>): void {
    this.#hook = {bytesLeft, task};
  }

  async #forward(from: Socket, to: Socket, direction: Direction): Promise<void> {
    try {
      for await (const piece of from) {
        await this.#hold(direction, (piece as Buffer).length);
        if (this.#delayMs > 0) await pause(this.#delayMs);
        if (direction === 'to-client') await this.#runHook((piece as Buffer).length);
        if (!to.write(piece)) await once(to, 'drain');
      }
      to.end();
    } catch {
      to.destroy();
    }
  }

  async #hold(direction: Direction, bytes: number): Promise<void> {
    const cut = this.#cuts.get(direction);
    if (cut === undefined) return;
    this.#heldBytes += bytes;
    await cut.promise;
    this.#heldBytes -= bytes;
  }

  async #runHook(bytes: number): Promise<void> {
    if (this.#hook === undefined) return;
    this.#hook.bytesLeft -= bytes;
    if (this.#hook.bytesLeft > 0) return;
    const {task} = this.#hook;
    this.#hook = undefined;
    await task();
  }
}
