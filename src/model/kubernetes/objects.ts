/**
 * What conversion reads of the objects of the Kubernetes API; each has many more fields. Maps may have any prototype:
 * only their own keys are asked for.
 */
export type StringRecord = Readonly<Record<string, string>>;

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly generateName?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly creationTimestamp?: string | undefined;
  readonly deletionTimestamp?: string | undefined;
  readonly labels?: StringRecord | undefined;
  readonly annotations?: StringRecord | undefined;
}

export interface KubernetesObject {
  readonly metadata: ObjectMeta;
}

export type Namespace = KubernetesObject;
export type ServiceAccount = KubernetesObject;

export interface ContainerPort {
  readonly name?: string | undefined;
  readonly containerPort?: number | undefined;
  readonly hostPort?: number | undefined;
  readonly hostIP?: string | undefined;
  readonly protocol?: string | undefined;
}

export interface Container {
  readonly ports?: readonly ContainerPort[] | undefined;
}

export interface Pod extends KubernetesObject {
  readonly spec: {
    readonly nodeName?: string | undefined;
    readonly hostNetwork?: boolean | undefined;
    readonly serviceAccountName?: string | undefined;
    readonly containers?: readonly Container[] | undefined;
    readonly initContainers?: readonly Container[] | undefined;
  };
  readonly status?:
    | {
        readonly phase?: string | undefined;
        readonly podIP?: string | undefined;
        readonly podIPs?: readonly {readonly ip?: string | undefined}[] | undefined;
      }
    | undefined;
}

export interface KubernetesNode extends KubernetesObject {
  readonly spec?:
    | {readonly podCIDR?: string | undefined; readonly podCIDRs?: readonly string[] | undefined}
    | undefined;
  readonly status?:
    | {readonly addresses?: readonly {readonly type: string; readonly address: string}[] | undefined}
    | undefined;
}

/** A field of a map, if it is its own. */
export const own = (map: StringRecord | undefined, key: string): string | undefined =>
  map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
