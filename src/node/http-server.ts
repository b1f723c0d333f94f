/**
 * The small HTTP servers of the agent (health, metrics): GET only, short headers, short patience, few connections, so
 * that nobody who can reach the port can hold the agent up. Bodies carry state and numbers, never resource contents.
 */
import {createServer, type Server, type ServerResponse} from 'node:http';
import {AgentError} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Path -> answer. Anything else is 404. */
export type HttpRoutes = Readonly<Record<string, () => HttpAnswer | Promise<HttpAnswer>>>;

export interface HttpServerOptions {
  /** Name for logs and errors: `health`, `metrics`. */
  readonly name: string;
  /** Address or host name to bind; undefined is every address. */
  readonly host: string | undefined;
  readonly port: number;
  readonly routes: HttpRoutes;
}

const MAX_HEADER_BYTES = 8192;
const REQUEST_LIMIT_MS = 5000;
const MAX_CONNECTIONS = 32;

export interface RunningHttpServer {
  /** The port it listens on: the one asked for, or the one that 0 found. */
  readonly port: number;
  close(): Promise<void>;
}

/** Listens; rejects with E_BAD_CONFIG when the address cannot be bound. */
export function startHttpServer(options: HttpServerOptions, dependencies: {log: Logger}): Promise<RunningHttpServer> {
  const {log} = dependencies;
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_LIMIT_MS,
      headersTimeout: REQUEST_LIMIT_MS,
      keepAliveTimeout: REQUEST_LIMIT_MS,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      // A body is never read: whoever sends one is answered and disconnected.
      if (request.method !== 'GET') return send(response, plain(405, 'only GET\n'));
      const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
      const route = Object.hasOwn(options.routes, path) ? options.routes[path] : undefined;
      if (route === undefined) return send(response, plain(404, 'not found\n'));
      Promise.resolve()
        .then(route)
        .then(
          (answer) => send(response, answer),
          (error: unknown) => {
            log.warn({server: options.name, path, err: error}, 'request failed');
            send(response, plain(500, 'internal error\n'));
          },
        );
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const {name, host, port} = options;
      reject(
        new AgentError(
          'E_BAD_CONFIG',
          `the ${name} server cannot listen on ${host ?? '*'}:${port}`,
          {host, port},
          error,
        ),
      );
    });
    server.listen({port: options.port, ...(options.host === undefined ? {} : {host: options.host})}, () => {
      server.removeAllListeners('error');
      server.on('error', (error) => log.warn({server: options.name, err: error}, 'server error'));
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : options.port;
      resolve({port, close: () => closeServer(server)});
    });
  });
}

export const plain = (status: number, body: string): HttpAnswer => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body,
});

function send(response: ServerResponse, answer: HttpAnswer): void {
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': Buffer.byteLength(answer.body),
    connection: 'close',
  });
  response.end(answer.body);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
