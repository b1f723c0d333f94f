/**
 * What calculation is fed with. The same shapes as the datastore's (a Syncer fills a CalcGraph as it stands), written
 * down here because calculation knows no datastore: the command line feeds it from files.
 */

/** Version of one key. Opaque: equal or not. */
export type Revision = string;

/** The state of one key: its value, or undefined when it is gone. */
export interface Update {
  readonly key: string;
  readonly value: string | undefined;
  readonly revision: Revision;
}

/** waiting: nothing is known yet, or the source is away; resyncing: a snapshot is arriving; in-sync: complete. */
export type SyncStatus = 'waiting' | 'resyncing' | 'in-sync';
