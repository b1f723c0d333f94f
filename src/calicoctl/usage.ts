/**
 * The words that describe each command. They are part of the interface: people and scripts compare them, so they are
 * Calico's, byte for byte, for everything that a command line can bring to the screen.
 */

export type CommandName =
  | 'get'
  | 'create'
  | 'apply'
  | 'replace'
  | 'delete'
  | 'patch'
  | 'label'
  | 'validate'
  | 'version'
  | 'ipam show'
  | 'ipam configure'
  | 'ipam release'
  | 'ipam check'
  | 'ipam split'
  | 'node run'
  | 'node status'
  | 'node diags'
  | 'node checksystem'
  | 'cluster diags'
  | 'completion'
  | 'datastore migrate export'
  | 'datastore migrate import'
  | 'datastore migrate lock'
  | 'datastore migrate unlock';

const GLOBAL_LINE = 'Usage:\n  calicoctl [options] <command> [<args>...]\n';

/** Printed on wrong arguments. */
export const USAGE: Readonly<Record<CommandName, string>> = {
  get: `Usage:
  calicoctl get ( (<KIND> [<NAME>...]) |
                --filename=<FILENAME> [--recursive] [--skip-empty] )
                [--output=<OUTPUT>] [--config=<CONFIG>] [--namespace=<NS>] [--all-namespaces] [--export] [--context=<context>] [--allow-version-mismatch]
`,
  create: `Usage:
  calicoctl create --filename=<FILENAME> [--recursive] [--skip-empty]
                   [--skip-exists] [--config=<CONFIG>] [--namespace=<NS>] [--context=<context>] [--allow-version-mismatch]
`,
  apply: `Usage:
  calicoctl apply --filename=<FILENAME> [--recursive] [--skip-empty]
                  [--config=<CONFIG>] [--namespace=<NS>] [--context=<context>] [--allow-version-mismatch]
`,
  replace: `Usage:
  calicoctl replace --filename=<FILENAME> [--recursive] [--skip-empty]
                    [--config=<CONFIG>] [--namespace=<NS>] [--context=<context>] [--allow-version-mismatch]
`,
  patch: `Usage:
  calicoctl patch <KIND> <NAME> --patch=<PATCH> [--type=<TYPE>] [--config=<CONFIG>] [--namespace=<NS>] [--context=<context>] [--allow-version-mismatch]
`,
  label: `Usage:
  calicoctl label (<KIND> <NAME>
  \t              ( <key>=<value> [--overwrite] |
  \t                <key> --remove )
                  [--config=<CONFIG>] [--namespace=<NS>] [--context=<context>]) [--allow-version-mismatch]
`,
  validate: `Usage:
  calicoctl validate --filename=<FILENAME> [--recursive] [--skip-empty] [--allow-version-mismatch]
`,
  delete: `Usage:
  calicoctl delete ( (<KIND> [<NAME>...]) |
                   --filename=<FILE> [--recursive] [--skip-empty] )
                   [--skip-not-exists] [--config=<CONFIG>] [--namespace=<NS>] [--context=<context>] [--allow-version-mismatch]
`,
  version: `Usage:
  calicoctl version [--config=<CONFIG>] [--poll=<POLL>] [--allow-version-mismatch] [--client]
`,
  'ipam show': `Usage:
  calicoctl ipam show [--ip=<IP> | --show-blocks | --show-borrowed | --show-configuration] [--config=<CONFIG>] [--allow-version-mismatch]
`,
  'ipam configure': `Usage:
  calicoctl ipam configure [--strictaffinity=<true/false>]
                               [--max-blocks-per-host=<number>]
                               [--kubevirt-ip-persistence=<Enabled|Disabled>]
                               [--config=<CONFIG>]
                               [--allow-version-mismatch]
`,
  'ipam release': `Usage:
  calicoctl ipam release [--ip=<IP>] [--from-report=<REPORT>]... [--config=<CONFIG>] [--force] [--allow-version-mismatch]
`,
  'ipam check': `Usage:
  calicoctl ipam check [--config=<CONFIG>] [--show-all-ips] [--show-problem-ips] [-o <FILE>] [--kubeconfig=<KUBECONFIG>] [--allow-version-mismatch]
`,
  'node run': `Usage:
  calicoctl node run [--ip=<IP>] [--ip6=<IP6>] [--as=<AS_NUM>]
                     [--name=<NAME>]
                     [--ip-autodetection-method=<IP_AUTODETECTION_METHOD>]
                     [--ip6-autodetection-method=<IP6_AUTODETECTION_METHOD>]
                     [--log-dir=<LOG_DIR>]
                     [--node-image=<DOCKER_IMAGE_NAME>]
                     [--backend=(bird|none)]
                     [--config=<CONFIG>]
                     [--no-default-ippools]
                     [--dryrun]
                     [--init-system]
                     [--felix-config=<CONFIG>]
                     [--allow-version-mismatch]
`,
  'node diags': `Usage:
  calicoctl node diags [--log-dir=<LOG_DIR>] [--allow-version-mismatch]
`,
  'node checksystem': `Usage:
  calicoctl node checksystem [--kernel-config=<kernel-config>] [--allow-version-mismatch]
`,
  'cluster diags': `Usage:
  calicoctl cluster diags [--since=<SINCE>] [--max-logs=<MAXLOGS>] [--max-parallelism=<MAXPARALLELISM>] [--focus-nodes=<NODES>] [--skip-temp-dir-cleanup] [--config=<CONFIG>] [--allow-version-mismatch]
`,
  'node status': `Usage:
  calicoctl node status [--allow-version-mismatch]
`,
  completion: `Usage:
  calicoctl completion (bash | zsh | fish)
`,
  'datastore migrate export': `Usage:
  calicoctl datastore migrate export [--config=<CONFIG>] [--allow-version-mismatch]
`,
  'datastore migrate import': `Usage:
  calicoctl datastore migrate import --filename=<FILENAME> [--config=<CONFIG>]
`,
  'datastore migrate lock': `Usage:
  calicoctl datastore migrate lock [--config=<CONFIG>] [--allow-version-mismatch]
`,
  'datastore migrate unlock': `Usage:
  calicoctl datastore migrate unlock [--config=<CONFIG>] [--allow-version-mismatch]
`,
  'ipam split': `Usage:
  calicoctl ipam split <NUMBER> [--cidr=<CIDR>] [--name=<POOL_NAME>] [--config=<CONFIG>] [--allow-version-mismatch]
`,
};

export const GLOBAL_USAGE = GLOBAL_LINE;

export const HELP = `${GLOBAL_LINE}
    create       Create a resource by file, directory or stdin.
    replace      Replace a resource by file, directory or stdin.
    apply        Apply a resource by file, directory or stdin.  This creates a resource
                 if it does not exist, and replaces a resource if it does exists.
    patch        Patch a preexisting resource in place.
    delete       Delete a resource identified by file, directory, stdin or resource type and
                 name.
    get          Get a resource identified by file, directory, stdin or resource type and
                 name.
    label        Add or update labels of resources.
    validate     Validate a resource by file, directory or stdin without applying it.
    ipam         IP address management.
    node         Calico node management.
    version      Display the version of this binary.
    datastore    Calico datastore management.
    cluster      Access cluster information.

Options:
  -h --help                    Show this screen.
  -l --log-level=<level>       Set the log level (one of panic, fatal, error,
                               warn, info, debug) [default: panic]
     --context=<context>       The name of the kubeconfig context to use.
     --allow-version-mismatch  Allow client and cluster versions mismatch.

Description:
  The calicoctl command line tool is used to manage Calico network and security
  policy, to view and manage endpoint configuration, and to manage a Calico
  node instance.

  See 'calicoctl <command> --help' to read about a specific subcommand.
`;

const DATASTORE_HINT = `Set the Calico datastore access information in the environment variables or
supply details in a config file.

`;

/** Commands that only have commands of their own. */
export const GROUPS: Readonly<Record<string, {readonly usage: string; readonly help: string}>> = {
  ipam: group(
    'ipam',
    `    check            Check the integrity of the IPAM datastructures.
    release          Release a Calico assigned IP address.
    show             Show details of a Calico configuration,
                     assigned IP address, or of overall IP usage.
    split            Split the IP pool specified by the CIDR into
                     the specified number of smaller IPPools.
    configure        Configure IPAM
`,
    'IP address management commands for Calico.',
    '\n',
  ),
  node: group(
    'node',
    `    run          Run the Calico node container image.
    status       View the current status of a Calico node.
    diags        Gather a diagnostics bundle for a Calico node.
    checksystem  Verify the compute host is able to run a Calico node instance.
`,
    `Node specific commands for calicoctl.  These commands must be run directly on
  the compute host running the Calico node instance.`,
    '\n',
  ),
  datastore: group(
    'datastore',
    '    migrate  Migrate the contents of an etcdv3 datastore to a Kubernetes datastore.\n',
    'Datastore specific commands for calicoctl.',
    '\n',
  ),
  cluster: group(
    'cluster',
    '    diags            Collect snapshot of diagnostic info and logs related to Calico at the cluster-level.\n',
    'Commands for accessing Cluster related information.',
    '',
  ),
};

/** The commands of `datastore migrate`. */
export const MIGRATE: {readonly usage: string; readonly help: string} = group(
  'datastore migrate',
  `    export  Export the contents of the etcdv3 datastore to yaml.
  import  Store and convert yaml of resources into the Kubernetes datastore.
  lock    Lock the datastore to prevent changes from occurring during datastore migration.
  unlock  Unlock the datastore to allow changes once the migration is completed.
`,
  'Migration specific commands.',
  '\n',
);

function group(name: string, commands: string, description: string, end: string): {usage: string; help: string} {
  const usage = `Usage:\n  calicoctl ${name} <command> [<args>...]\n`;
  return {
    usage,
    help: `${DATASTORE_HINT}${usage}
${commands}
Options:
  -h --help      Show this screen.

Description:
  ${description}

  See 'calicoctl ${name} <command> --help' to read about a specific subcommand.
${end}`,
  };
}
