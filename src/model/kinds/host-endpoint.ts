/**
 * HostEndpoint: an interface of a node itself, or with `*` all of them, that policies protect.
 */
import {z} from 'zod';
import {integer, interfaceName, ipAddress, nameReference, textThat} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {isPortName, PORT_NAME_RULE} from '../name-rules.ts';
import {portProtocol} from '../protocol.ts';
import {narrow} from '../schema.ts';
import {violation} from '../violation.ts';

const port = () =>
  z.object({
    name: textThat(isPortName, PORT_NAME_RULE),
    protocol: portProtocol(),
    port: narrow('uint16', integer(1, 65535)),
  });

const spec = () =>
  z.object({
    node: nameReference(),
    interfaceName: interfaceName().optional(),
    expectedIPs: z.array(ipAddress()).default([]),
    profiles: z.array(nameReference()).default([]),
    ports: z.array(port()).default([]),
  });

export type HostEndpointSpec = FieldsOf<typeof spec>;
export type HostEndpoint = ResourceOf<typeof spec>;

export const HostEndpoint = defineKind({
  kind: 'HostEndpoint',
  plural: 'hostendpoints',
  aliases: ['hep', 'heps'],
  spec,
  rules: ({spec: {interfaceName: name, expectedIPs}}) =>
    name === undefined && expectedIPs.length === 0
      ? [violation('spec', undefined, 'must have an interfaceName, or expectedIPs to find the interface by')]
      : [],
});
