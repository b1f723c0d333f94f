/**
 * What Calico (or anybody) stored is written back as it was, as long as nobody changed it.
 *
 * Reading gives a clean view: defaults are filled in, nulls are gone. Where printing that view would not give the bytes
 * that were read (an old release left a default out, ordered fields otherwise, wrote `null`), the view also carries
 * what was stored. It does so per object: `{...resource, spec: {...resource.spec, x: 1}}` makes a new spec, printed
 * with its defaults as Calico itself prints what it updates, while the untouched metadata keeps its bytes.
 *
 * The property is a symbol that is not enumerable, so spreading, comparing and printing never see it; and the view is
 * frozen, so what is carried cannot go stale.
 */
import type {JsonValue} from '../lib/exact-json.ts';

const STORED = Symbol('stored form');

/** Freezes `view`; it is printed as `stored` from now on. */
export function keepStored<T extends object>(view: T, stored: JsonValue): T {
  return Object.freeze(Object.defineProperty(view, STORED, {value: stored}));
}

/** What `view` was read from, when its print would differ. */
export function storedForm(view: object): JsonValue | undefined {
  return (view as {readonly [STORED]?: JsonValue})[STORED];
}
