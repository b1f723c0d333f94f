/** Between our families (4, 6) and the kernel's (AF_INET, AF_INET6). */
import type {Family} from '../lib/cidr.ts';
import {AF} from './constants.ts';

/** The family of an address or CIDR by its text; only canonical or at least valid text gives a meaningful answer. */
export const familyOfText = (text: string): Family => (text.includes(':') ? 6 : 4);

export const afOf = (family: Family): number => (family === 6 ? AF.INET6 : AF.INET);

export const afOfText = (text: string): number => (text.includes(':') ? AF.INET6 : AF.INET);

/** Undefined for families we do not deal in. */
export function familyOfAf(af: number): Family | undefined {
  if (af === AF.INET) return 4;
  return af === AF.INET6 ? 6 : undefined;
}
