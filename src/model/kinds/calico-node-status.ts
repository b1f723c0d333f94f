/**
 * CalicoNodeStatus: a request to a node to report on its BGP, and the report. Status is not judged: only agents write it.
 */
import {z} from 'zod';
import {integer, nameReference} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {anyJson} from '../resource.ts';
import {kept} from '../schema.ts';
import {violation} from '../violation.ts';

const spec = () =>
  z.object({
    node: nameReference(),
    classes: z.array(z.enum(['Agent', 'BGP', 'Routes'])).default([]),
    /** 0: once. */
    updatePeriodSeconds: integer(0, 86_400),
  });

const daemon = () =>
  z.object({
    state: z.string().optional(),
    version: z.string().optional(),
    routerID: z.string().optional(),
    lastBootTime: z.string().optional(),
    lastReconfigurationTime: z.string().optional(),
  });

const peer = () =>
  z.object({
    peerIP: z.string().optional(),
    type: z.string().optional(),
    state: z.string().optional(),
    since: z.string().optional(),
  });

const route = () =>
  z.object({
    type: z.string().optional(),
    destination: z.string().optional(),
    gateway: z.string().optional(),
    interface: z.string().optional(),
    learnedFrom: kept(z.object({sourceType: z.string().optional(), peerIP: z.string().optional()}).prefault({})),
  });

const count = () => kept(integer().default(0));

const status = () =>
  z.object({
    /** RFC 3339; null before the first report. */
    lastUpdated: kept(anyJson().default(null)),
    agent: kept(z.object({birdV4: kept(daemon().prefault({})), birdV6: kept(daemon().prefault({}))}).prefault({})),
    bgp: kept(
      z
        .object({
          numberEstablishedV4: count(),
          numberNotEstablishedV4: count(),
          numberEstablishedV6: count(),
          numberNotEstablishedV6: count(),
          peersV4: z.array(peer()).default([]),
          peersV6: z.array(peer()).default([]),
        })
        .prefault({}),
    ),
    routes: kept(
      z.object({routesV4: z.array(route()).default([]), routesV6: z.array(route()).default([])}).prefault({}),
    ),
  });

export type CalicoNodeStatusSpec = FieldsOf<typeof spec>;
export type CalicoNodeStatusStatus = FieldsOf<typeof status>;
export type CalicoNodeStatus = ResourceOf<typeof spec, typeof status>;

export const CalicoNodeStatus = defineKind({
  kind: 'CalicoNodeStatus',
  plural: 'caliconodestatuses',
  aliases: ['nodestatus', 'nodestatuses'],
  spec,
  status,
  statusAlways: true,
  rules: ({spec: {classes}}) => {
    if (classes.length === 0) return [violation('spec.classes', undefined, 'must be specified')];
    const isEachOnce = new Set(classes).size === classes.length;
    return isEachOnce ? [] : [violation('spec.classes', classes.join(', '), 'must have each class once')];
  },
});
