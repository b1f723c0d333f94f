/** Opens a NETLINK_ROUTE socket in a namespace, with failures that say what to do. */
import {AgentError} from '../lib/errors.ts';
import type {Addon, NetlinkSocket} from '../native/addon.ts';
import {NETLINK_ROUTE} from './constants.ts';

export interface RouteNetlinkOptions {
  readonly netnsFd?: number | undefined;
  readonly groups?: readonly number[];
  readonly receiveBuffer?: number | undefined;
}

/** Throws E_NO_NAMESPACE when the namespace cannot be entered, E_NETLINK when there is no socket to have. */
export function openRouteNetlink(
  {openNetlink}: Pick<Addon, 'openNetlink'>,
  {netnsFd, groups, receiveBuffer}: RouteNetlinkOptions,
): NetlinkSocket {
  try {
    return openNetlink({
      protocol: NETLINK_ROUTE,
      ...(netnsFd === undefined ? {} : {netnsFd}),
      ...(groups === undefined ? {} : {groups}),
      ...(receiveBuffer === undefined ? {} : {receiveBuffer}),
    });
  } catch (error) {
    const entering = error instanceof Error && 'syscall' in error && error.syscall === 'setns';
    if (entering) throw new AgentError('E_NO_NAMESPACE', 'cannot enter the network namespace', {netnsFd}, error);
    throw new AgentError('E_NETLINK', 'cannot open a netlink socket', {netnsFd, groups}, error);
  }
}
