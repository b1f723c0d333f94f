/** Commands about this machine are root's. */
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';

export function requireRoot({userId}: Pick<Io, 'userId'>): void {
  if (userId !== 0) throw new Failure('Need super user privileges: Operation not permitted', {stream: 'out'});
}
