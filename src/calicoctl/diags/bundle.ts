/**
 * A bundle of diagnostics: a temporary folder that only its owner can read, filled with what programs print and with
 * files, without secrets, and packed in the end. Everything is bounded: time per program and as a whole, size per file.
 * What cannot be had is said and left out; a bundle is made on machines where things do not work.
 */
import {chmod, lstat, mkdir, mkdtemp, open, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join, relative} from 'node:path';
import {AgentError, messageOf} from '../../lib/errors.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {escapeForTerminal} from '../output/escape.ts';
import {withoutSecrets} from './redaction.ts';

/** A program to run. */
export interface Probe {
  /** Said before it runs; nothing when absent. */
  readonly title?: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Where its output goes, below the bundle's folder. */
  readonly file: string;
}

const PROGRAM_MS = 10_000;
const MOST_OUTPUT = 32 * 1024 * 1024;
/** Of a file; the end of a longer one is kept. */
const MOST_OF_FILE = 16 * 1024 * 1024;
const MOST_FILES = 500;
const IS_SECRET = /(?:kubeconfig|\.key|\.pem|\.p12|\.jks)$/i;

export class Bundle {
  /** Holds the archive in the end. */
  readonly folder: string;
  readonly #name: string;
  readonly #io: Io;
  readonly #secrets: readonly string[];
  readonly #signal: AbortSignal;

  private constructor(io: Io, folder: string, options: BundleOptions) {
    this.folder = folder;
    this.#io = io;
    this.#name = options.name;
    this.#secrets = options.secrets;
    this.#signal = AbortSignal.any([io.signal, AbortSignal.timeout(options.timeoutMs)]);
  }

  static async create(io: Io, options: BundleOptions): Promise<Bundle> {
    const folder = await mkdtemp(join(tmpdir(), 'calico'));
    const bundle = new Bundle(io, folder, options);
    await mkdir(bundle.#content, {mode: 0o700});
    return bundle;
  }

  get #content(): string {
    return join(this.folder, this.#name);
  }

  /** Runs the program, keeps what it prints and gives it back. Says why when there is nothing to keep. */
  async run({title, program, args, file}: Probe): Promise<string | undefined> {
    if (title !== undefined) this.#say(title);
    const command = [program, ...args].join(' ');
    const path = await this.#io.findProgram(program);
    if (path === undefined) return this.#skip(command, 'it is not installed');
    try {
      const {stdout, stderr} = await this.#io.exec({
        path,
        args,
        env: programEnvironment(this.#io),
        timeoutMs: PROGRAM_MS,
        maxOutputBytes: MOST_OUTPUT,
        signal: this.#signal,
      });
      const text = stdout === '' ? stderr : stdout;
      await this.add(file, text);
      return text;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      return this.#skip(command, messageOf(error));
    }
  }

  async add(file: string, text: string): Promise<void> {
    const path = join(this.#content, file);
    await mkdir(dirname(path), {recursive: true, mode: 0o700});
    await writeFile(path, withoutSecrets(text, this.#secrets), {mode: 0o600});
  }

  /** The text files of a folder, and of those below it. Links are not followed. */
  async addFolder(source: string, target: string): Promise<void> {
    const entries = await readdir(source, {withFileTypes: true, recursive: true});
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    if (files.length > MOST_FILES) this.#say(`Only ${MOST_FILES} of ${files.length} files of ${source} are copied`);
    for (const file of files.slice(0, MOST_FILES)) {
      if (this.#signal.aborted) return this.#say(`Copying ${source} took too long: the rest is left out`);
      await this.addFile(file, join(target, relative(source, file)));
    }
  }

  async addFile(source: string, target: string): Promise<void> {
    if (IS_SECRET.test(source)) return this.#say(`${source} is left out: it is there for its secrets`);
    try {
      const text = await readEnd(source);
      if (text.includes('\0')) this.#say(`${source} is not text, which cannot be searched for secrets: left out`);
      else await this.add(target, text);
    } catch (error) {
      if (!isMissing(error)) this.#say(`${source} is left out: ${messageOf(error)}`);
    }
  }

  /** Packs everything into one file below `folder`, and resolves to its path. What was packed is removed. */
  async pack(folder: string, archive: string): Promise<string> {
    const path = join(folder, archive);
    const tar = await this.#io.findProgram('tar');
    if (tar === undefined)
      throw new Failure(`there is no tar on this machine; what was collected is in ${this.folder}`);
    try {
      // The signal of the bundle may be over: packing what there is has a limit of its own.
      const args = ['-czf', path, '-C', this.folder, this.#name];
      await this.#io.exec({path: tar, args, timeoutMs: 10 * PROGRAM_MS, signal: this.#io.signal});
      await chmod(path, 0o600);
    } catch (cause) {
      throw new Failure(`Error compressing the diagnostics: ${messageOf(cause)}; they are in ${this.folder}`, {cause});
    }
    await rm(this.#content, {recursive: true, force: true});
    return path;
  }

  async remove(): Promise<void> {
    await rm(this.folder, {recursive: true, force: true});
  }

  #skip(command: string, reason: string): undefined {
    this.#say(`Failed to run command: ${command}\nError: ${reason}`);
  }

  #say(text: string): void {
    this.#io.out(`${text.split('\n').map(escapeForTerminal).join('\n')}\n`);
  }
}

export interface BundleOptions {
  /** Of the folder in the archive. */
  readonly name: string;
  /** Texts that must not be part of it. */
  readonly secrets: readonly string[];
  /** For all programs and files together. */
  readonly timeoutMs: number;
}

const PASSED_ON = /^(?:HOME$|KUBECONFIG$|DOCKER_|CONTAINERD_|CONTAINER_RUNTIME_ENDPOINT$|NERDCTL_|XDG_RUNTIME_DIR$)/;

/** What programs need to find their servers and credentials. */
export const programEnvironment = ({environment}: Pick<Io, 'environment'>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]): [string, string][] =>
      value !== undefined && PASSED_ON.test(name) ? [[name, value]] : [],
    ),
  );

async function readEnd(path: string): Promise<string> {
  await using file = await open(path);
  const {size} = await file.stat();
  const length = Math.min(size, MOST_OF_FILE);
  const bytes = Buffer.alloc(length);
  const {bytesRead} = await file.read(bytes, 0, length, size - length);
  return bytes.toString('utf8', 0, bytesRead);
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Whether there is a folder of that name, links not followed. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** `20261125_174501`, in the time of the machine. */
export function timeStamp(wallMs: number): string {
  const time = new Date(wallMs - new Date(wallMs).getTimezoneOffset() * 60_000).toISOString();
  return time.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
}
