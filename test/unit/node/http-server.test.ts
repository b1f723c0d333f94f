import {connect} from 'node:net';
import t from 'tap';
import {hasCode} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {plain, startHttpServer} from '../../../src/node/http-server.ts';

const server = await startHttpServer(
  {
    name: 'health',
    host: '127.0.0.1',
    port: 0,
    routes: {
      '/liveness': () => plain(503, 'felix: stuck\n'),
      '/metrics': () => Promise.reject(new Error('secret detail')),
    },
  },
  {log: silentLogger},
);
t.teardown(() => server.close());

/** What the server answers to these bytes, until it closes the connection. */
function exchange(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

await t.test('answers its paths, and nothing else', async (t) => {
  t.match(await exchange('GET /liveness?x=1 HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 503 [\s\S]*felix: stuck\n$/);
  t.match(await exchange('GET /constructor HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 404 /);
  t.match(await exchange('POST /liveness HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'), /^HTTP\/1\.1 405 /);
});

await t.test('an error inside shows nothing of itself', async (t) => {
  const answer = await exchange('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n');
  t.match(answer, /^HTTP\/1\.1 500 /);
  t.notMatch(answer, /secret/);
});

await t.test('long headers and nonsense are refused', async (t) => {
  t.match(await exchange(`GET /liveness HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  t.match(await exchange('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
});

await t.test('a taken port is said by name', async (t) => {
  const options = {name: 'metrics', host: '127.0.0.1', port: server.port, routes: {}};
  const error = await startHttpServer(options, {log: silentLogger}).catch((thrown: unknown) => thrown);
  t.ok(hasCode(error, 'E_BAD_CONFIG'));
  t.match(error, {message: /the metrics server cannot listen on 127\.0\.0\.1:/});
});
