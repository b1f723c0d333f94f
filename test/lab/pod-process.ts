/**
 * Runs inside a pod: answers TCP (sends back every byte) and UDP (sends back the datagram) on port 7, and does what
 * the lab asks on standard input, one JSON request a line, one JSON answer a line.
 *
 *   {"id": 1, "do": "tcp", "to": "10.0.0.1", "bytes": 1000000}  -> {"id": 1, "ok": true, "ms": 3.1}
 *   {"id": 2, "do": "udp", "to": "10.0.0.1", "bytes": 4000}
 *   {"id": 3, "do": "stream", "to": "10.0.0.1", "everyMs": 5}   -> answered after {"id": 4, "do": "end", "stream": 3}
 *                                                                  with {"sent": 812, "lost": [17, 18], ...}
 */
import {createSocket} from 'node:dgram';
import {type EventEmitter, once} from 'node:events';
import {connect, createServer} from 'node:net';
import {createInterface} from 'node:readline';

const PORT = 7;
const LIMIT_MS = 5000;
/** How long the end of a stream waits for what is still on its way. */
const LAST_ECHO_MS = 1000;

type Request =
  | {readonly id: number; readonly do: 'tcp' | 'udp'; readonly to: string; readonly bytes: number}
  | {readonly id: number; readonly do: 'stream'; readonly to: string; readonly everyMs: number}
  | {readonly id: number; readonly do: 'end'; readonly stream: number};

/** Numbers of the datagrams that did not come back. */
interface StreamOutcome {
  readonly sent: number;
  readonly lost: readonly number[];
}

/** Ends a stream by its request's id. */
const endStream = new Map<number, () => void>();

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
}).listen(PORT, '::');
const listeners: EventEmitter[] = [server];
for (const type of ['udp4', 'udp6'] as const) {
  const socket = createSocket({type, ipv6Only: type === 'udp6'});
  socket.on('message', (message, peer) => socket.send(message, peer.port, peer.address));
  socket.bind(PORT, () => socket.on('error', () => {}));
  listeners.push(socket);
}

/** Sends `bytes` and expects the same back: the data crosses the network both ways. */
function exchangeTcp(to: string, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const payload = Buffer.alloc(bytes, 'calico ');
    const socket = connect(PORT, to);
    let received = 0;
    let mismatch = false;
    socket.setTimeout(LIMIT_MS, () => socket.destroy(new Error('no answer')));
    socket.on('connect', () => socket.end(payload));
    socket.on('data', (chunk) => {
      if (!chunk.equals(payload.subarray(received, received + chunk.length))) mismatch = true;
      received += chunk.length;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      if (received === bytes && !mismatch) resolve();
      else reject(new Error(`${received} of ${bytes} bytes came back${mismatch ? ', changed' : ''}`));
    });
  });
}

function exchangeUdp(to: string, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const payload = Buffer.alloc(bytes, 'datagram ');
    const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
    const finish = (error?: Error) => {
      clearTimeout(timer);
      socket.close();
      if (error) reject(error);
      else resolve();
    };
    const timer = setTimeout(() => finish(new Error('no answer')), LIMIT_MS);
    socket.on('message', (message) => finish(message.equals(payload) ? undefined : new Error('changed on the way')));
    socket.on('error', finish);
    socket.send(payload, PORT, to);
  });
}

/**
 * A numbered datagram every few milliseconds until the stream is ended, each sent back by the other side. What has not
 * come back after a pause at the end is lost; a datagram the kernel refused to send is lost too.
 */
function stream({id, to, everyMs}: {id: number; to: string; everyMs: number}): Promise<StreamOutcome> {
  return new Promise((resolve) => {
    const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
    const missing = new Set<number>();
    let sent = 0;
    let end: (() => void) | undefined;
    const conclude = () => {
      socket.close();
      resolve({sent, lost: [...missing]});
    };
    socket.on('error', () => {});
    socket.on('message', (message) => {
      missing.delete(message.readUInt32BE(0));
      if (missing.size === 0) end?.();
    });
    const timer = setInterval(() => {
      const number = Buffer.alloc(64);
      number.writeUInt32BE(sent);
      missing.add(sent++);
      socket.send(number, PORT, to, () => {});
    }, everyMs);
    endStream.set(id, () => {
      clearInterval(timer);
      endStream.delete(id);
      if (missing.size === 0) return conclude();
      const limit = setTimeout(conclude, LAST_ECHO_MS);
      end = () => {
        clearTimeout(limit);
        end = undefined;
        conclude();
      };
    });
  });
}

await Promise.all(listeners.map((listener) => once(listener, 'listening')));
process.stdout.write(`${JSON.stringify({id: 0, ok: true, ms: 0})}\n`);
for await (const line of createInterface({input: process.stdin})) {
  const request = JSON.parse(line) as Request;
  void answer(request);
}
process.exit(0);

async function answer(request: Request): Promise<void> {
  const startedMs = performance.now();
  let error: string | undefined;
  let outcome: StreamOutcome | undefined;
  try {
    switch (request.do) {
      case 'tcp':
        await exchangeTcp(request.to, request.bytes);
        break;
      case 'udp':
        await exchangeUdp(request.to, request.bytes);
        break;
      case 'stream':
        outcome = await stream(request);
        break;
      case 'end':
        endStream.get(request.stream)?.();
        break;
    }
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  const ms = performance.now() - startedMs;
  process.stdout.write(`${JSON.stringify({id: request.id, ok: error === undefined, ms, error, ...outcome})}\n`);
}
