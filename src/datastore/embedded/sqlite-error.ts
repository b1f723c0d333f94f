/**
 * SQLite's result codes as our errors. Only the primary code decides (the low byte; extended codes refine it).
 *
 * An input/output error says little: a full file system shows up as one when SQLite grows its shared index, a remount
 * to read-only as another. So the disk is asked before a person is told that it fails.
 */
import {accessSync, constants, statfsSync} from 'node:fs';
import {AgentError, messageOf} from '../../lib/errors.ts';

const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_PROTOCOL = 15;
const SQLITE_NOTADB = 26;

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** Another process holds the lock we need; nothing was done and the same call may succeed in a moment. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_BUSY || code === SQLITE_PROTOCOL;
}

/** The AgentError of what SQLite threw. A value SQLite did not throw is a bug of ours and is thrown again. */
export function storeError(error: unknown, folder: string): AgentError {
  if (error instanceof AgentError) return error;
  const code = primaryCode(error);
  if (code === undefined) throw error;
  const as = (...[name, text]: ['E_STORE_FULL' | 'E_STORE_READ_ONLY' | 'E_STORE_CORRUPT' | 'E_STORE_IO', string]) =>
    new AgentError(name, `${text} (${folder}: ${messageOf(error)})`, {folder, sqliteCode: code}, error);
  switch (code) {
    case SQLITE_FULL:
      return as('E_STORE_FULL', 'the disk of the datastore is full');
    case SQLITE_READONLY:
      return as('E_STORE_READ_ONLY', 'the datastore cannot be written');
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return as('E_STORE_CORRUPT', 'the datastore file is damaged or is none');
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: {
      const disk = diskState(folder);
      if (disk === 'full') return as('E_STORE_FULL', 'the disk of the datastore is full');
      if (disk === 'read-only') return as('E_STORE_READ_ONLY', 'the datastore cannot be written');
      return as('E_STORE_IO', 'the disk of the datastore fails');
    }
    default:
      throw error;
  }
}

function diskState(folder: string): 'full' | 'read-only' | 'unknown' {
  try {
    if (statfsSync(folder).bavail === 0) return 'full';
    accessSync(folder, constants.W_OK);
    return 'unknown';
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EROFS' ? 'read-only' : 'unknown';
  }
}
