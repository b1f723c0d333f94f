/**
 * Reading and writing routes of one namespace. Deleting what is gone already is done, not refused.
 */
import {ENODEV, ENOENT, ESRCH, hasErrno, type Outcome, tolerate} from './kernel-answer.ts';
import {
  decodeRoute,
  type Route,
  type RouteFilter,
  type RouteSelector,
  type RouteSpec,
  writeRouteAdd,
  writeRouteDelete,
  writeRouteDump,
  writeRouteReplace,
} from './route.ts';
import type {RouteSocket} from './route-socket.ts';

const COST_US = 4;

/** The routes the filter selects, of every table unless it names one. A table nobody has used is empty. */
export async function dumpRoutes(socket: RouteSocket, filter: RouteFilter, signal?: AbortSignal): Promise<Route[]> {
  try {
    return await socket.dump('routes', (writer) => writeRouteDump(writer, filter), decodeRoute, signal);
  } catch (error) {
    // Strict checking answers so for a table that does not exist.
    if (filter.table !== undefined && hasErrno(error, ENOENT)) return [];
    throw error;
  }
}

/**
 * Creates each route, or replaces the one of the same destination, tos, metric and table: for IPv4 whatever its type
 * and protocol, so a foreign route of that key is overwritten.
 */
export function replaceRoutes(
  socket: RouteSocket,
  routes: readonly RouteSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return socket.execute(routes, writeRouteReplace, {costUs: COST_US, signal});
}

/** Creates each route; EEXIST for one whose destination, tos, metric and table are taken. */
export function addRoutes(
  socket: RouteSocket,
  routes: readonly RouteSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return socket.execute(routes, writeRouteAdd, {costUs: COST_US, signal});
}

/** Deletes for each selector the first route it matches; a field left out matches any. */
export async function deleteRoutes(
  socket: RouteSocket,
  routes: readonly RouteSelector[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  const outcomes = await socket.execute(routes, writeRouteDelete, {costUs: COST_US, signal});
  return tolerate(outcomes, GONE);
}

/** The route or its link is gone. */
const GONE: ReadonlySet<number> = new Set([ESRCH, ENODEV]);
