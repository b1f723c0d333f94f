/**
 * Writes numbered pairs of keys as fast as it can, several commits at a time, and reports each number on descriptor 3
 * once its commit was acknowledged. Runs until it is killed.
 *
 * usage: numbered-writer.ts FOLDER PREFIX
 */
import {writeSync} from 'node:fs';
import {EmbeddedStore} from '../../../../src/datastore/embedded/embedded-store.ts';
import {systemClock} from '../../../../src/lib/clock.ts';
import {silentLogger} from '../../../../src/lib/log.ts';

const REPORT_FD = 3;
const AT_ONCE = 6;

const [folder, prefix] = process.argv.slice(2);
if (folder === undefined || prefix === undefined) throw new Error('usage: numbered-writer.ts FOLDER PREFIX');
const store = await EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger});
let lastNumber = 0;

async function write(): Promise<never> {
  for (;;) {
    const number = ++lastNumber;
    await store.commit([
      {kind: 'create', key: `${prefix}${number}/left`, value: 'x'.repeat(number % 3000)},
      {kind: 'create', key: `${prefix}${number}/right`, value: String(number)},
      {kind: 'put', key: `${prefix}last`, value: String(number)},
    ]);
    writeSync(REPORT_FD, `${number}\n`);
  }
}

await Promise.all(Array.from({length: AT_ONCE}, write));
