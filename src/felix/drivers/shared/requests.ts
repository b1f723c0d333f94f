/**
 * From the changes of a round to the requests of a batch: each entry becomes what the kernel is asked, with the index of
 * its link. Tables are long, so this lets the event loop breathe.
 */
import type {Clock} from '../../../lib/clock.ts';
import {createBreather} from '../../../lib/yielding.ts';
import type {LinkPicture} from './links-by-name.ts';
import {missingLink} from './outcomes.ts';

export interface Requests<K, S> {
  /** One for each spec. */
  readonly keys: readonly K[];
  readonly specs: readonly S[];
}

interface OnLink {
  readonly link?: string | undefined;
}

export interface RequestContext {
  readonly links: LinkPicture;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Writes. An entry whose link is not there is added to `failed`. */
export function writeRequests<K, E extends OnLink, S>(
  entries: ReadonlyMap<K, E>,
  specOf: (entry: E, index: number | undefined) => S,
  failed: Map<K, Error>,
  context: RequestContext,
): Promise<Requests<K, S>> {
  return requests(entries, specOf, (key, link) => failed.set(key, missingLink(link, 'write to it')), context);
}

/** Removals. A link that is gone took what was on it with it: nothing is left to ask for. */
export function removalRequests<K, E extends OnLink, S>(
  entries: ReadonlyMap<K, E>,
  specOf: (entry: E, index: number | undefined) => S,
  context: RequestContext,
): Promise<Requests<K, S>> {
  return requests(entries, specOf, () => undefined, context);
}

async function requests<K, E extends OnLink, S>(
  entries: ReadonlyMap<K, E>,
  specOf: (entry: E, index: number | undefined) => S,
  onMissing: (key: K, link: string) => unknown,
  {clock, links, signal}: RequestContext,
): Promise<Requests<K, S>> {
  const keys: K[] = [];
  const specs: S[] = [];
  const breather = createBreather({}, {clock});
  for (const [key, entry] of entries) {
    const index = entry.link === undefined ? undefined : links.get(entry.link)?.index;
    if (entry.link !== undefined && index === undefined) onMissing(key, entry.link);
    else {
      keys.push(key);
      specs.push(specOf(entry, index));
    }
    if (breather.isDue()) await breather.breathe(signal);
  }
  return {keys, specs};
}
