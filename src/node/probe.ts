/** What `calico-node -felix-live -felix-ready` asks the running agent, for probes of the pod manifest. */
import {get} from 'node:http';

const LIMIT_MS = 5000;

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
}

/** Undefined when the agent is well; otherwise the line that says why not, in Calico's words. */
export async function probeFelix(
  target: ProbeTarget,
  wanted: {live: boolean; ready: boolean},
): Promise<string | undefined> {
  if (wanted.live) {
    const problem = await problemAt(target, '/liveness');
    if (problem !== undefined) return `calico/node is not ready: Felix is not live: ${problem}`;
  }
  if (wanted.ready) {
    const problem = await problemAt(target, '/readiness');
    if (problem !== undefined) return `calico/node is not ready: felix is not ready: ${problem}`;
  }
  return undefined;
}

function problemAt(target: ProbeTarget, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get({...target, path, timeout: LIMIT_MS}, (response) => {
      const {statusCode = 0} = response;
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => {
        const isWell = statusCode >= 200 && statusCode < 400;
        resolve(isWell ? undefined : `${path} answered ${statusCode}\n${body}`.trimEnd());
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${LIMIT_MS / 1000} s`)));
    request.on('error', (error) => resolve(error.message));
  });
}
