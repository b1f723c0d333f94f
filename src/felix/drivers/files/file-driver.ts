/**
 * Small files that other programs read, in one folder. Which of the folder's files are ours is told by name; others stay.
 * A file is written beside and renamed, so that a reader sees the old text or the new one, never half of it.
 */
import {randomBytes} from 'node:crypto';
import {lstat, mkdir, open, readdir, readFile, rename, unlink} from 'node:fs/promises';
import {basename, join} from 'node:path';
import type {Changes, Driver} from '../../../lib/driver.ts';
import {AgentError} from '../../../lib/errors.ts';
import {type FileEntry, type FileKey, fileKey} from '../../dataplane/entries.ts';

export interface FileDriverOptions {
  readonly kind: string;
  readonly folder: string;
  /** Of the names in the folder. */
  isOurs(name: string): boolean;
}

/** Longer files are nobody's that we know. */
const MAX_BYTES = 64 * 1024;

export class FileDriver implements Driver<FileKey, FileEntry> {
  readonly kind: string;
  readonly #folder: string;
  readonly #isOurs: (name: string) => boolean;

  constructor(options: FileDriverOptions) {
    this.kind = options.kind;
    this.#folder = options.folder;
    this.#isOurs = (name) => options.isOurs(name);
  }

  equal(desired: FileEntry, actual: FileEntry): boolean {
    return desired.text === actual.text;
  }

  async list(signal: AbortSignal): Promise<Iterable<readonly [FileKey, FileEntry]>> {
    const entries: (readonly [FileKey, FileEntry])[] = [];
    for (const name of await this.#names()) {
      signal.throwIfAborted();
      if (!this.#isOurs(name)) continue;
      const path = join(this.#folder, name);
      const text = await readSmall(path);
      if (text !== undefined) entries.push([fileKey(path), {path, text}]);
    }
    return entries;
  }

  async apply(
    {writes, removals}: Changes<FileKey, FileEntry>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<FileKey, Error>> {
    const failed = new Map<FileKey, Error>();
    if (writes.size > 0) await mkdir(this.#folder, {recursive: true, mode: 0o755}).catch(() => undefined);
    for (const [key, {path, text}] of writes) {
      signal.throwIfAborted();
      await replaceFile(path, text).catch((error: unknown) => failed.set(key, failure('write', path, error)));
    }
    for (const [key, {path}] of removals)
      await unlink(path).catch((error: unknown) => {
        if (!isMissing(error)) failed.set(key, failure('remove', path, error));
      });
    return failed;
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (isMissing(error)) return [];
      throw failure('read', this.#folder, error);
    }
  }
}

/** Undefined when it is gone or no small regular file: whatever it is, it does not say what we want it to. */
async function readSmall(path: string): Promise<string | undefined> {
  try {
    const stats = await lstat(path);
    if (!stats.isFile() || stats.size > MAX_BYTES) return '';
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw failure('read', path, error);
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const beside = join(path, '..', `.${basename(path).slice(0, 200)}.${randomBytes(6).toString('hex')}`);
  const file = await open(beside, 'wx', 0o644);
  try {
    await file.writeFile(text);
  } catch (error) {
    await unlink(beside).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  await rename(beside, path);
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

const failure = (what: string, path: string, cause: unknown): AgentError =>
  new AgentError('E_FILE', `cannot ${what} ${path}`, {path}, cause);
