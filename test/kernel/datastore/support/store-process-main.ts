/** The program of a store process: answers calls until the test lets go of it. */
import {EmbeddedStore} from '../../../../src/datastore/embedded/embedded-store.ts';
import {sendError} from '../../../../src/datastore/embedded/protocol.ts';
import {systemClock} from '../../../../src/lib/clock.ts';
import {AgentError} from '../../../../src/lib/errors.ts';
import {silentLogger} from '../../../../src/lib/log.ts';
import type {Answer, Call} from './store-process.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: store-process-main.ts FOLDER');
const opening = EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger});

async function answer(call: Call): Promise<Answer> {
  const store = await opening;
  try {
    return {
      id: call.id,
      result: call.method === 'commit' ? await store.commit(call.argument) : await store[call.method](call.argument),
    };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return {id: call.id, error: sendError(error)};
  }
}

process.on('message', (call: Call) => void answer(call).then((reply) => process.send?.(reply)));
process.on('disconnect', () => void opening.then((store) => store.close()));
