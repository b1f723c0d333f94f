/** A process of its own with the store open, driven from the test: the other writer that shares nothing but the folder. */
import {fork} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {receiveError, type SentError} from '../../../../src/datastore/embedded/protocol.ts';
import type {CommitResult, Entry, Listing, Operation} from '../../../../src/datastore/store.ts';
import type {OtherWriter} from '../../../helpers/store-contract.ts';

/** What the process is asked to do, and the name of the method that does it. */
export type Call =
  | {readonly id: number; readonly method: 'get' | 'list'; readonly argument: string}
  | {readonly id: number; readonly method: 'commit'; readonly argument: readonly Operation[]};

export type Answer = {readonly id: number; readonly result: unknown} | {readonly id: number; readonly error: SentError};

const ENTRY = fileURLToPath(new URL('store-process-main.ts', import.meta.url));

export interface StoreProcess extends OtherWriter {
  stop(): Promise<void>;
}

export async function startStoreProcess(folder: string): Promise<StoreProcess> {
  const child = fork(ENTRY, [folder], {serialization: 'advanced', execArgv: []});
  const waiting = new Map<
    number,
    {readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void}
  >();
  const exited = once(child, 'exit');
  child.on('message', (answer: Answer) => {
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('error' in answer) call?.reject(receiveError(answer.error));
    else call?.resolve(answer.result);
  });
  void exited.then(() => {
    for (const {reject} of waiting.values()) reject(new Error('the other process is gone'));
  });
  let lastId = 0;
  const ask = <T>(method: Call['method'], argument: string | readonly Operation[]): Promise<T> =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      waiting.set(id, {resolve: (result) => resolve(result as T), reject});
      child.send({id, method, argument});
    });
  await ask('get', '/');
  return {
    get: (key) => ask<Entry | undefined>('get', key),
    list: (prefix) => ask<Listing>('list', prefix),
    commit: (operations) => ask<CommitResult>('commit', operations),
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
