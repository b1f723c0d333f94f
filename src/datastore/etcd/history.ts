/**
 * Cursors. A cursor is the revision of the whole key space, as Calico shows it. Revisions belong to a cluster: an etcd
 * restored from a snapshot, or made anew, is another one and counts its own. So a cursor of any cluster but the first one
 * met carries the cluster's id, and one that belongs elsewhere is told apart although its number may exist there too.
 */
import {AgentError} from '../../lib/errors.ts';
import type {Cursor} from '../store.ts';
import type {Header} from './messages.ts';

export class History {
  #firstCluster: bigint | undefined;

  /** The cursor of `revision` in the cluster that sent `header`. */
  cursorOf({clusterId}: Header, revision: bigint): Cursor {
    this.#firstCluster ??= clusterId;
    return clusterId === this.#firstCluster ? String(revision) : `${revision}@${clusterId.toString(16)}`;
  }

  /** The revision of a cursor. */
  revisionOf(cursor: Cursor): bigint {
    const revision = /^(\d{1,18})(?:@[0-9a-f]+)?$/.exec(cursor)?.[1];
    if (revision === undefined) throw cursorLost(cursor, 'it is none of etcd');
    return BigInt(revision);
  }

  /** Throws E_CURSOR_LOST when the cursor belongs to another cluster than the one that sent `header`. */
  assertSameCluster(cursor: Cursor, header: Header): void {
    if (this.cursorOf(header, this.revisionOf(cursor)) !== cursor) {
      throw cursorLost(cursor, 'etcd is another cluster now: restored, or made anew');
    }
  }
}

export function cursorLost(cursor: Cursor, reason: string): AgentError {
  return new AgentError('E_CURSOR_LOST', `cannot watch from ${cursor}: ${reason}`, {cursor});
}
