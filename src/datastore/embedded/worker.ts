/** Entry of the database's thread: opens the store when asked to, then hands every request to its engine. */
import {parentPort} from 'node:worker_threads';
import {Engine} from './engine.ts';
import {prepareFolder} from './folder.ts';
import {type Reply, type Request, sendError} from './protocol.ts';
import {storeError} from './store-error.ts';

function serve(): void {
  const port = parentPort;
  if (port === null) throw new Error('this file runs as a worker thread only');
  const reply = (message: Reply) => port.postMessage(message);
  let engine: Engine | undefined;
  port.on('message', (request: Request) => {
    if (request.kind !== 'open') {
      engine?.receive(request);
      return;
    }
    const {id, folder, historyLimit, slowLookMs} = request;
    try {
      const files = prepareFolder(folder);
      engine = new Engine({files, historyLimit, slowLookMs}, {reply, onClosed: () => port.close()});
      reply({kind: 'opened', id});
    } catch (error) {
      reply({kind: 'failed', id, error: sendError(storeError(error, folder))});
    }
  });
}

serve();
