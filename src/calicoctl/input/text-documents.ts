/**
 * The documents of a file, a folder or standard input, as text, each with where it came from. Limited in size and
 * number before anything is parsed.
 */
import {open, readdir, stat} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';

export interface TextDocument {
  readonly text: string;
  /** `document 2 of pools.yaml`; empty when there is only one and the person knows which. */
  readonly origin: string;
}

/** Of one file, in bytes. */
const LARGEST_FILE = 10 * 1024 * 1024;
const MOST_DOCUMENTS = 10_000;
const MOST_FILES = 10_000;
const EXTENSIONS = ['.yaml', '.yml', '.json'];

/** A file, or standard input, with its documents; there are none in an empty one. */
export interface TextFile {
  readonly name: string;
  readonly documents: readonly TextDocument[];
}

/** The files of `name`: itself, those of a folder (with `recursive` also what is below), or standard input for `-`. */
export async function readTextFiles(
  io: Pick<Io, 'folder' | 'readStdin'>,
  name: string,
  recursive: boolean,
): Promise<readonly TextFile[]> {
  if (name === '-' || !(await isFolder(io, name)))
    return [{name, documents: documentsOf(await readText(io, name), placeOf(name))}];
  const names: string[] = [];
  await collectFiles(resolve(io.folder, name), name, recursive, names);
  const files: TextFile[] = [];
  let count = 0;
  for (const file of names) {
    const documents = documentsOf(await readText(io, file), file, true);
    count += documents.length;
    if (count > MOST_DOCUMENTS) throw tooMany(MOST_DOCUMENTS, 'documents', name);
    files.push({name: file, documents});
  }
  return files;
}

const isFolder = ({folder}: Pick<Io, 'folder'>, name: string): Promise<boolean> =>
  explained(name, async () => (await stat(name === '' ? '' : resolve(folder, name))).isDirectory());

const placeOf = (name: string): string => (name === '-' ? 'standard input' : name);

/** The text of one file, or of standard input; `limit` is in bytes. */
export function readText(io: Pick<Io, 'folder' | 'readStdin'>, name: string, limit = LARGEST_FILE): Promise<string> {
  return readLimited(name, () =>
    name === '-' ? io.readStdin(limit) : readFileLimited(resolve(io.folder, name), limit),
  );
}

/** The documents of a text that was read, without those that are blank. */
export const splitDocuments = (text: string, name: string): readonly TextDocument[] =>
  documentsOf(text, name).filter((document) => document.text.trim() !== '');

async function collectFiles(path: string, name: string, recursive: boolean, files: string[]): Promise<void> {
  const entries = await explained(name, () => readdir(path, {withFileTypes: true}));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const entryName = join(name, entry.name);
    if (entry.isDirectory()) {
      if (recursive) await collectFiles(join(path, entry.name), entryName, recursive, files);
    } else if (EXTENSIONS.some((extension) => entry.name.toLowerCase().endsWith(extension))) files.push(entryName);
    if (files.length > MOST_FILES) throw tooMany(MOST_FILES, 'files', name);
  }
}

const tooMany = (limit: number, what: string, name: string): Failure =>
  new Failure(`failed to execute command: there are more than ${limit} ${what} in ${name}`);

async function readFileLimited(path: string, limit: number): Promise<Uint8Array> {
  await using file = await open(path);
  const {size} = await file.stat();
  // A device or pipe has no size: read up to the limit and one byte, which tells.
  if (size > limit) throw tooLarge(limit);
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of file.createReadStream({end: limit, autoClose: false})) {
    if (!(chunk instanceof Uint8Array)) throw new Error('a stream without an encoding gives bytes');
    total += chunk.length;
    if (total > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (limit: number): Error => new Error(`is larger than ${limit} bytes`);

async function readLimited(name: string, read: () => Promise<Uint8Array>): Promise<string> {
  const bytes = await explained(name, read);
  try {
    return new TextDecoder(encodingOf(bytes), {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch (cause) {
    throw new Failure(`failed to execute command: ${name} is neither UTF-8 nor UTF-16 text`, {cause});
  }
}

/** By the mark that files of UTF-16 begin with. */
function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}

/** A failed read names the file as the person did. */
async function explained<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure(`failed to execute command: ${reasonOf(name, cause)}`, {cause});
  }
}

function reasonOf(name: string, cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return `open ${name}: no such file or directory`;
  if (code === 'ENOTDIR') return `open ${name}: not a directory`;
  if (code === 'EACCES') return `open ${name}: permission denied`;
  return `read ${name}: ${cause instanceof Error ? cause.message : String(cause)}`;
}

/**
 * Split at lines that begin with `---`, as Calico does: what stands before the first such line is a document too, blank or
 * not; after the last one only what is not empty.
 */
function documentsOf(text: string, place: string, alwaysNamed = false): readonly TextDocument[] {
  const parts = text.split(/\n---[^\n]*(?:\n|$)/, MOST_DOCUMENTS + 2);
  if (parts.at(-1) === '') parts.pop();
  if (parts.length > MOST_DOCUMENTS) throw tooMany(MOST_DOCUMENTS, 'documents', place);
  const isOne = parts.length === 1;
  return parts.map((part, i) => {
    const origin = isOne ? (alwaysNamed ? place : '') : `document ${i + 1} of ${place}`;
    return {text: part, origin};
  });
}
