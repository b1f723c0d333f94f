/**
 * Stands between the code under test and a kernel, real or fake: counts what could change something, and lets the next
 * sends that could change something go wrong.
 *
 *   fails     nothing reaches the kernel
 *   halfway   the first half of the messages reach it, then the sender is cut off
 *   unknown   all reach it, the answers are lost
 */
import type {Addon, NetlinkReply, NetlinkSocket} from '../../src/native/addon.ts';
import {NLM_F} from '../../src/netlink/constants.ts';

export type Fault = 'fails' | 'halfway' | 'unknown';
type KernelAddon = Pick<Addon, 'openNetlink' | 'readSysctls' | 'writeSysctls'>;

export class FaultyAddon implements KernelAddon {
  readonly #kernel: KernelAddon;
  #fault: Fault | undefined;
  netlinkWrites = 0;
  sysctlWrites = 0;

  constructor(kernel: KernelAddon) {
    this.#kernel = kernel;
  }

  /** The next send that could change something goes wrong, and only that. */
  breakNext(fault: Fault): void {
    this.#fault = fault;
  }

  /** Functions of their own, not methods: the addon's are used like that. */
  readonly openNetlink = (...options: Parameters<Addon['openNetlink']>): NetlinkSocket => {
    const socket = this.#kernel.openNetlink(...options);
    return {
      portId: socket.portId,
      transact: (batch) => this.#send(batch, (part) => socket.transact(part)),
      transactAsync: async (batch) => this.#send(batch, (part) => socket.transactAsync(part)),
      listen: (callback) => socket.listen(callback),
      close: () => socket.close(),
    };
  };

  readonly readSysctls = (...args: Parameters<Addon['readSysctls']>): (string | number)[] =>
    this.#kernel.readSysctls(...args);

  readonly writeSysctls = (...[netnsFd, writes]: Parameters<Addon['writeSysctls']>): number[] => {
    this.sysctlWrites += writes.length;
    return this.#kernel.writeSysctls(netnsFd, writes);
  };

  #send<R extends NetlinkReply | Promise<NetlinkReply>>(batch: Uint8Array, send: (part: Uint8Array) => R): R {
    const starts = messageStarts(batch);
    const writes = starts.filter(
      (at) => new DataView(batch.buffer, batch.byteOffset + at).getUint16(4, true) % 4 !== 2,
    );
    this.netlinkWrites += writes.length;
    const fault = writes.length > 0 ? this.#fault : undefined;
    if (fault === undefined) return send(batch);
    this.#fault = undefined;
    const cutAt = starts[Math.ceil(starts.length / 2)] ?? batch.length;
    const part = fault === 'fails' ? undefined : fault === 'halfway' ? withAck(batch.slice(0, cutAt)) : batch;
    return this.#breakOff(part && send(part), fault) as R;
  }

  #breakOff(
    reply: NetlinkReply | Promise<NetlinkReply> | undefined,
    fault: Fault,
  ): NetlinkReply | Promise<NetlinkReply> {
    const outcome = (): NetlinkReply => {
      if (fault === 'unknown') return {data: new Uint8Array(), overrun: true};
      throw Object.assign(new Error('the socket failed'), {errno: -104, code: 'ECONNRESET', syscall: 'sendmsg'});
    };
    return reply instanceof Promise ? reply.then(outcome) : outcome();
  }
}

function messageStarts(batch: Uint8Array): number[] {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const starts: number[] = [];
  for (let at = 0; at < batch.length; at += (view.getUint32(at, true) + 3) & ~3) starts.push(at);
  return starts;
}

function withAck(batch: Uint8Array): Uint8Array {
  const at = messageStarts(batch).at(-1) ?? 0;
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  view.setUint16(at + 6, view.getUint16(at + 6, true) | NLM_F.ACK, true);
  return batch;
}
