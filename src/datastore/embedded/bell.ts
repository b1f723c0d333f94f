/**
 * How the processes on one folder hear of each other's commits: whoever has committed writes a byte into a file, and
 * inotify on the folder tells the rest, also through bind mounts and across namespaces.
 *
 * Why not listen to SQLite's log itself: its write comes before its fsync, so a reader who is woken by it looks too
 * early and is not woken again. The bell is rung after the commit is visible. It may be missed (a crash between commit
 * and ring, a full disk, no inotify watches left), so a slow look, every second by default, backs it up.
 */
import {closeSync, constants, type FSWatcher, openSync, watch, writeSync} from 'node:fs';
import {basename} from 'node:path';
import {messageOf} from '../../lib/errors.ts';
import type {StoreFiles} from './folder.ts';

const STROKE = new Uint8Array([0x0a]);

export class Bell {
  readonly #descriptor: number;
  readonly #watcher: FSWatcher | undefined;
  readonly #slowLook: NodeJS.Timeout;

  /** Calls `onRing` when there may be something new, and `onDeaf` once when only the slow look is left. */
  constructor(
    options: {readonly files: StoreFiles; readonly slowLookMs: number},
    listener: {onRing(): void; onDeaf(reason: string): void},
  ) {
    const {files, slowLookMs} = options;
    this.#descriptor = openSync(files.bell, constants.O_WRONLY | constants.O_NOFOLLOW);
    const name = basename(files.bell);
    try {
      this.#watcher = watch(files.folder, (_event, file) => {
        if (file === null || file === name) listener.onRing();
      });
      this.#watcher.on('error', (error) => listener.onDeaf(messageOf(error)));
    } catch (error) {
      listener.onDeaf(messageOf(error));
    }
    this.#slowLook = setInterval(() => listener.onRing(), slowLookMs);
  }

  ring(): void {
    try {
      writeSync(this.#descriptor, STROKE, 0, 1, 0);
    } catch {
      // The commit stands; the others find it at their next slow look.
    }
  }

  close(): void {
    clearInterval(this.#slowLook);
    this.#watcher?.close();
    closeSync(this.#descriptor);
  }
}
