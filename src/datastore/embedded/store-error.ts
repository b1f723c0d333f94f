/**
 * What SQLite and the file system report, as our errors. Of SQLite only the primary code decides (the low byte;
 * extended codes refine it).
 *
 * An input/output error says little: a full file system shows up as one when SQLite grows its shared index, a remount
 * to read-only as another. So the disk is asked before a person is told that it fails.
 */
import {accessSync, constants, statfsSync} from 'node:fs';
import {AgentError, type ErrorCode, messageOf} from '../../lib/errors.ts';

const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_PROTOCOL = 15;
const SQLITE_NOTADB = 26;

/** Another process holds the lock we need; nothing was done and the same call may succeed in a moment. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_BUSY || code === SQLITE_PROTOCOL;
}

/** The AgentError of what SQLite or the file system threw. Anything else is a bug of ours and is thrown again. */
export function storeError(error: unknown, folder: string): AgentError {
  if (error instanceof AgentError) return error;
  const code = codeOfSqlite(error, folder) ?? codeOfSystem(error);
  if (code === undefined) throw error;
  return new AgentError(code, `${FACTS[code]}: ${folder}: ${messageOf(error)}`, {folder}, error);
}

const FACTS = {
  E_STORE_FULL: 'the disk of the datastore is full',
  E_STORE_READ_ONLY: 'the datastore cannot be written',
  E_STORE_CORRUPT: 'the datastore file is damaged, or is none',
  E_STORE_UNSAFE: 'refusing the datastore',
  E_STORE_IO: 'the disk of the datastore fails',
} as const satisfies Partial<Record<ErrorCode, string>>;

type StoreErrorCode = keyof typeof FACTS;

function codeOfSqlite(error: unknown, folder: string): StoreErrorCode | undefined {
  const code = sqliteCode(error);
  if (code === undefined) return undefined;
  switch (code) {
    case SQLITE_FULL:
      return 'E_STORE_FULL';
    case SQLITE_READONLY:
      return 'E_STORE_READ_ONLY';
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return 'E_STORE_CORRUPT';
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return codeOfDisk(folder);
    default:
      return undefined;
  }
}

function codeOfDisk(folder: string): StoreErrorCode {
  try {
    if (statfsSync(folder).bavail === 0) return 'E_STORE_FULL';
    accessSync(folder, constants.W_OK);
    return 'E_STORE_IO';
  } catch (error) {
    return codeOfSystem(error) ?? 'E_STORE_IO';
  }
}

function codeOfSystem(error: unknown): StoreErrorCode | undefined {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return undefined;
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'E_STORE_FULL';
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return 'E_STORE_READ_ONLY';
    case 'ENOTDIR':
    case 'ELOOP':
    case 'EEXIST':
      return 'E_STORE_UNSAFE';
    default:
      return 'E_STORE_IO';
  }
}

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error && 'errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
