/** The lab's side of the process inside a pod. */
import {type ChildProcessByStdio, spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import type {Readable, Writable} from 'node:stream';
import {endProcess, labPath, runProgram} from './run-program.ts';

export interface ProbeResult {
  readonly ok: boolean;
  readonly ms: number;
  readonly error?: string | undefined;
}

/** What became of a stream of numbered datagrams. */
export interface StreamResult {
  readonly sent: number;
  /** Numbers of those that did not come back. */
  readonly lost: readonly number[];
}

export interface TrafficStream {
  /** Known once the stream has been ended. */
  readonly outcome: Promise<StreamResult>;
  end(): Promise<void>;
}

type Request =
  | {readonly do: 'tcp' | 'udp'; readonly to: string; readonly bytes: number}
  | {readonly do: 'stream'; readonly to: string; readonly everyMs: number}
  | {readonly do: 'end'; readonly stream: number};

type Answer = ProbeResult & Partial<StreamResult>;

export class PodProcess {
  readonly #enter: readonly string[];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, (result: Answer) => void>();
  #nextId = 1;

  private constructor(enter: readonly string[]) {
    this.#enter = enter;
    const script = new URL('pod-process.ts', import.meta.url).pathname;
    const [program = '', ...args] = [...enter, process.execPath, script];
    this.#child = spawn(program, args, {stdio: ['pipe', 'pipe', 'inherit'], env: {PATH: labPath}});
    createInterface({input: this.#child.stdout}).on('line', (line) => {
      const answer = JSON.parse(line) as Answer & {readonly id: number};
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#child.on('exit', () => {
      for (const resolve of this.#waiting.values()) resolve({ok: false, ms: 0, error: 'the process in the pod ended'});
      this.#waiting.clear();
    });
  }

  static async start(enter: readonly string[]): Promise<PodProcess> {
    const started = new PodProcess(enter);
    const ready = await new Promise<ProbeResult>((resolve) => started.#waiting.set(0, resolve));
    if (!ready.ok) throw new Error(`pod process: ${ready.error}`);
    return started;
  }

  /** `bytes` over one TCP connection and back again. */
  tcp(to: string, bytes: number): Promise<ProbeResult> {
    return this.#ask({do: 'tcp', to, bytes});
  }

  /** One datagram of `bytes` and its echo; larger than the MTU it is fragmented. */
  udp(to: string, bytes: number): Promise<ProbeResult> {
    return this.#ask({do: 'udp', to, bytes});
  }

  /** Starts a stream of numbered datagrams that the other side sends back. */
  stream(to: string, everyMs = 5): TrafficStream {
    const id = this.#nextId++;
    const outcome = this.#ask({do: 'stream', to, everyMs}, id).then(({sent, lost, error}) => {
      if (sent === undefined || lost === undefined) throw new Error(`stream to ${to}: ${error}`);
      return {sent, lost};
    });
    return {
      outcome,
      end: async () => {
        await this.#ask({do: 'end', stream: id});
      },
    };
  }

  /** One ICMP echo. */
  async ping(to: string): Promise<ProbeResult> {
    const startedMs = performance.now();
    const result = await runProgram([...this.#enter, 'ping', '-n', '-c', '1', '-W', '2', to]);
    const ms = performance.now() - startedMs;
    return result.code === 0 ? {ok: true, ms} : {ok: false, ms, error: result.stdout.trim() || result.stderr.trim()};
  }

  release(): void {
    this.#child.unref();
  }

  async close(): Promise<void> {
    await endProcess(this.#child);
  }

  #ask(request: Request, id: number = this.#nextId++): Promise<Answer> {
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({id, ...request})}\n`);
    });
  }
}
