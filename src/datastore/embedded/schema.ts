/**
 * Opens a connection to the database file and brings it to the schema this program knows.
 *
 * `entries` is the content. `changes` is its history, one row per written or deleted key: its sequence is the revision
 * of the entry, the position of a watch, and has no gaps. It holds no values: a watch wants the newest one anyway.
 */
import {randomUUID} from 'node:crypto';
import {DatabaseSync, type SQLOutputValue} from 'node:sqlite';
import {AgentError} from '../../lib/errors.ts';
import {isBusy} from './store-error.ts';

/** Marks the file as ours for `file` and `sqlite3`: "CALI". */
const APPLICATION_ID = 0x43414c49;
const SCHEMA_VERSION = 1;
/** The caller's deadline ends the opening before that. */
const OPENING_WAIT_MS = 60_000;
/** The log is cut back to this size when it has been copied into the database. */
const LOG_BYTES_KEPT = 16 * 1024 * 1024;

const SCHEMA = `
  CREATE TABLE identity (value TEXT NOT NULL) STRICT;
  CREATE TABLE entries (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
  CREATE TABLE changes (sequence INTEGER PRIMARY KEY, key TEXT NOT NULL) STRICT;
`;

/**
 * A connection with every commit on disk before it returns. While the store is being opened nobody else waits for this
 * thread, so SQLite may wait for other processes' locks; `stopWaiting` ends that.
 */
export function connect(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, {timeout: OPENING_WAIT_MS, enableForeignKeyConstraints: false});
  connection.exec('PRAGMA synchronous = FULL');
  connection.exec('PRAGMA trusted_schema = OFF');
  connection.exec('PRAGMA cell_size_check = ON');
  connection.exec(`PRAGMA journal_size_limit = ${LOG_BYTES_KEPT}`);
  connection.enableDefensive(true);
  return connection;
}

/** From here on a lock of another process surfaces at once: SQLite's waits are coarse, and deaf to who gives up. */
export function stopWaiting(connection: DatabaseSync): void {
  connection.exec('PRAGMA busy_timeout = 0');
}

/** Creates the schema in an empty file; refuses a file of a newer program or of somebody else. */
export function prepareSchema(connection: DatabaseSync, path: string): void {
  whenFree(() => connection.exec('PRAGMA journal_mode = WAL'));
  whenFree(() => {
    if (versionOf(connection, path) === SCHEMA_VERSION) return;
    connection.exec('BEGIN IMMEDIATE');
    try {
      // Another process may have been first.
      if (versionOf(connection, path) === 0) {
        connection.exec(SCHEMA);
        connection.prepare('INSERT INTO identity (value) VALUES (?)').run(randomUUID());
        connection.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
        connection.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
      }
      connection.exec('COMMIT');
    } finally {
      if (connection.isTransaction) connection.exec('ROLLBACK');
    }
  });
}

/** 0 for an empty file, else the version of our schema in it. */
function versionOf(connection: DatabaseSync, path: string): number {
  const version = integerOf(connection.prepare('PRAGMA user_version').get()?.user_version);
  const application = integerOf(connection.prepare('PRAGMA application_id').get()?.application_id);
  const tables = integerOf(connection.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.tables);
  if (application !== APPLICATION_ID && (application !== 0 || version !== 0 || tables !== 0)) {
    throw new AgentError('E_STORE_CORRUPT', `${path} is a database of another program`, {path, application});
  }
  if (version > SCHEMA_VERSION) {
    throw new AgentError(
      'E_UNSUPPORTED',
      `${path} has schema version ${version}; this program knows ${SCHEMA_VERSION}: use the release that wrote it`,
      {path, version, known: SCHEMA_VERSION},
    );
  }
  return version;
}

/** Repeats `step` while SQLite does not wait itself: when two processes that read both want to write. */
function whenFree<T>(step: () => T): T {
  const nap = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      return step();
    } catch (error) {
      if (!isBusy(error)) throw error;
      Atomics.wait(nap, 0, 0, 1 + Math.random() * 5);
    }
  }
}

/** A column that the schema says is text. */
export function textOf(value: SQLOutputValue | undefined): string {
  if (typeof value === 'string') return value;
  throw new AgentError('E_STORE_CORRUPT', `the datastore holds ${typeof value} where text belongs`);
}

/** A column that the schema says is an integer. */
export function integerOf(value: SQLOutputValue | undefined): number {
  if (typeof value === 'number') return value;
  throw new AgentError('E_STORE_CORRUPT', `the datastore holds ${typeof value} where a number belongs`);
}
