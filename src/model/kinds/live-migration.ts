/**
 * LiveMigration: a virtual machine on its way to another node; for a while both ends hold its addresses. Internal to
 * Calico: nobody writes it by hand.
 */
import {z} from 'zod';
import {selector} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {type Violation, violation} from '../violation.ts';

const workload = () => ({
  hostname: z.string().optional(),
  orchestratorID: z.string().optional(),
  workloadID: z.string().optional(),
});
const workloadEndpoint = () => z.object({...workload(), endpointID: z.string().optional()});

const spec = () =>
  z.object({
    source: z
      .object({workload: z.object(workload()).optional(), workloadEndpoint: workloadEndpoint().optional()})
      .optional(),
    target: z.object({selector: selector().optional(), workloadEndpoint: workloadEndpoint().optional()}).optional(),
  });

export type LiveMigrationSpec = FieldsOf<typeof spec>;
export type LiveMigration = ResourceOf<typeof spec>;

export const LiveMigration = defineKind({
  kind: 'LiveMigration',
  plural: 'livemigrations',
  namespaced: true,
  spec,
  rules: ({spec: {source, target}}) => [
    ...oneOfViolations('spec.source', source),
    ...oneOfViolations('spec.target', target),
  ],
});

function oneOfViolations(path: string, choice: Readonly<Record<string, unknown>> | undefined): Violation[] {
  if (choice === undefined) return [];
  const chosen = Object.values(choice).filter((value) => value !== undefined).length;
  return chosen === 1
    ? []
    : [
        violation(
          path,
          choice,
          `must have exactly one of ${path.endsWith('source') ? 'workload' : 'selector'} and workloadEndpoint`,
        ),
      ];
}
