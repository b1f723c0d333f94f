/**
 * The folder of the store: made when absent, refused when somebody else could have a hand in it.
 *
 * The promise: what SQLite opens afterwards by path is ours alone. The folder and its files are ours (root's, for the
 * agent), not symbolic links, not writable by others; the folders above cannot be swapped by others either. Rights
 * that only let others read are taken away instead.
 *
 * Surprise: an existing database file must never be opened here. POSIX locks belong to the process, and closing any
 * descriptor of the file drops the locks that SQLite holds on it for another handle of this process; another process
 * would then delete the log under it. So files are looked at with lstat, and created exclusively.
 */
import {chmodSync, closeSync, constants, fsyncSync, lstatSync, mkdirSync, openSync, realpathSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {AgentError} from '../../lib/errors.ts';

/** Where things lie in a store folder. */
export interface StoreFiles {
  readonly folder: string;
  readonly database: string;
  /** Written to after each commit so that other processes notice. */
  readonly bell: string;
}

const OTHERS_WRITE = 0o022;
const OTHERS_ANY = 0o077;
const STICKY = 0o1000;

/** Makes or checks the folder, creates the files that are missing, and says where they are. */
export function prepareFolder(path: string): StoreFiles {
  const folder = resolve(path);
  const files = {folder, database: join(folder, 'store.db'), bell: join(folder, 'bell')};
  if (makeFolder(folder, 0o700)) syncFolder(dirname(folder));
  checkParents(folder);
  checkOwn(folder, 'folder');
  const isNew = [files.database, files.bell].map(createFile).includes(true);
  if (isNew) syncFolder(folder);
  for (const file of [files.database, `${files.database}-wal`, `${files.database}-shm`, files.bell]) {
    checkOwn(file, 'file');
  }
  return files;
}

/**
 * True when the folder is new. Missing parents are made one by one: the recursive mkdir of Node reports a read-only
 * file system as a missing folder.
 */
function makeFolder(path: string, mode: number): boolean {
  try {
    mkdirSync(path, {mode});
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    if (!isErrno(error, 'ENOENT') || !makeFolder(dirname(path), 0o755)) throw error;
    return makeFolder(path, mode);
  }
}

/** True when the file is new. */
function createFile(path: string): boolean {
  const {O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY} = constants;
  try {
    closeSync(openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** A new name survives a power cut only once its folder is on disk. */
function syncFolder(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Anybody who can rename a folder above ours can put another store in our place. */
function checkParents(folder: string): void {
  let parent = realpathSync(dirname(folder));
  for (;;) {
    const {mode, uid} = lstatSync(parent);
    if (uid !== 0 && uid !== ownUid()) throw unsafe(parent, `belongs to user ${uid}`);
    if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) throw unsafe(parent, `has mode ${octal(mode)}`);
    const above = dirname(parent);
    if (above === parent) return;
    parent = above;
  }
}

function checkOwn(path: string, kind: 'file' | 'folder'): void {
  const status = lstatSync(path, {throwIfNoEntry: false});
  if (status === undefined) return;
  if (status.isSymbolicLink()) throw unsafe(path, 'is a symbolic link');
  if (!(kind === 'file' ? status.isFile() : status.isDirectory())) throw unsafe(path, `is not a ${kind}`);
  if (status.uid !== ownUid()) throw unsafe(path, `belongs to user ${status.uid}`);
  if ((status.mode & OTHERS_WRITE) !== 0) throw unsafe(path, `has mode ${octal(status.mode)}`);
  if ((status.mode & OTHERS_ANY) !== 0) chmodSync(path, kind === 'file' ? 0o600 : 0o700);
}

function unsafe(path: string, fact: string): AgentError {
  return new AgentError('E_STORE_UNSAFE', `refusing the datastore: ${path} ${fact}`, {path});
}

const octal = (mode: number) => (mode & 0o7777).toString(8).padStart(4, '0');

/** The agent is root; whoever tries the store as an ordinary user has one of his own. */
const ownUid = () => process.geteuid?.() ?? 0;

const isErrno = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code;
