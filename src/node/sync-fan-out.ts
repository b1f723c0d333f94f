/** One stream of the datastore for several consumers: each hears all of it, in order. */
import type {SyncSink} from '../datastore/store.ts';

export const fanOut = (sinks: readonly SyncSink[]): SyncSink => ({
  onStatus(status, reason) {
    for (const sink of sinks) sink.onStatus(status, reason);
  },
  onUpdates(updates) {
    for (const sink of sinks) sink.onUpdates(updates);
  },
});
