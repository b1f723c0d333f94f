/**
 * What a command may touch of the process it runs in. Nothing below `main.ts` knows `process`, so that a test runs a
 * command with its own arguments, files, input and output.
 */
import type {StoreConfig} from '../datastore/open-store.ts';
import type {CallOptions, Store} from '../datastore/store.ts';
import type {Exec} from '../exec/exec.ts';
import type {Clock} from '../lib/clock.ts';
import type {Logger} from '../lib/log.ts';

export interface Io {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** File names are relative to it. */
  readonly folder: string;
  /** The file of settings that is used when it is there and none is named. */
  readonly defaultConfigFile: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when the person gives up. */
  readonly signal: AbortSignal;
  /** All of standard input; rejects beyond `limit` bytes. */
  readStdin(limit: number): Promise<Uint8Array>;
  /** Arguments of every process of this machine. */
  readProcesses(): Promise<readonly (readonly string[])[]>;
  /** Of whoever runs the command; 0 is root. */
  readonly userId: number;
  readonly hostname: string;
  /** The folder below which the machine's own files are: `/`. */
  readonly root: string;
  /** Absolute path of a program of this machine; undefined when it has none of that name. */
  findProgram(name: string): Promise<string | undefined>;
  readonly exec: Exec;
  /** A person looks at standard error: progress may be shown there. */
  readonly isErrorTerminal: boolean;
  out(text: string): void;
  err(text: string): void;
  /** Opens the datastore; how is the business of whoever runs the command. */
  openStore(config: StoreConfig, options: CallOptions): Promise<Store>;
}
