/**
 * Runs inside a pod: answers TCP (sends back every byte) and UDP (sends back the datagram) on port 7, and does what
 * the lab asks on standard input, one JSON request a line, one JSON answer a line.
 *
 *   {"id": 1, "do": "tcp", "to": "10.0.0.1", "bytes": 1000000}  -> {"id": 1, "ok": true, "ms": 3.1}
 *   {"id": 2, "do": "udp", "to": "10.0.0.1", "bytes": 4000}
 */
import {createSocket} from 'node:dgram';
import {connect, createServer} from 'node:net';
import {createInterface} from 'node:readline';

const PORT = 7;
const LIMIT_MS = 5000;

interface Request {
  readonly id: number;
  readonly do: 'tcp' | 'udp';
  readonly to: string;
  readonly bytes: number;
}

createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
}).listen(PORT, '::');
for (const type of ['udp4', 'udp6'] as const) {
  const socket = createSocket({type, ipv6Only: type === 'udp6'});
  socket.on('message', (message, peer) => socket.send(message, peer.port, peer.address));
  socket.on('error', () => {});
  socket.bind(PORT);
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

for await (const line of createInterface({input: process.stdin})) {
  const request = JSON.parse(line) as Request;
  void answer(request);
}
process.exit(0);

async function answer(request: Request): Promise<void> {
  const startedMs = performance.now();
  let error: string | undefined;
  try {
    await (request.do === 'tcp' ? exchangeTcp(request.to, request.bytes) : exchangeUdp(request.to, request.bytes));
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  const ms = performance.now() - startedMs;
  process.stdout.write(`${JSON.stringify({id: request.id, ok: error === undefined, ms, error})}\n`);
}
process.stdout.write(`${JSON.stringify({id: 0, ok: true, ms: 0})}\n`);
