/** IPAM under fire, as `fire-etcd.test.ts` says, on the embedded store. */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Test} from 'tap';
import {inTransactions, keyByKey, testFire} from './support/burn.ts';

async function start(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'ct-ipam-'));
  t.teardown(() => rmSync(folder, {recursive: true, force: true}));
  return {type: 'embedded', folder} as const;
}

testFire('the embedded store, in transactions', inTransactions, start);
testFire('the embedded store, key by key', keyByKey, start);
