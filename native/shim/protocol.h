/*
 * What the shim and the agent say to each other: docs/operations/cni-shim-protocol.md. The same numbers are in
 * src/native/shim-protocol.ts; a test compares the two.
 *
 * Every number on the wire is big-endian. Magic and version keep their place in all versions.
 */
#ifndef SHIM_PROTOCOL_H
#define SHIM_PROTOCOL_H

enum {
  PROTOCOL_MAGIC = 0x43434e49, /* "CCNI" */
  PROTOCOL_VERSION = 1,
  HEADER_SIZE = 12, /* magic u32, version u16, type u16, length u32 */
  FIELD_HEADER_SIZE = 6, /* tag u16, length u32 */
  MAX_PAYLOAD = 1048564, /* header and payload: 1 MiB */
  MAX_STDIN = 917504,
  MAX_ENVIRONMENT = 65536,
  MAX_DELEGATE_OUTPUT = 262144, /* of each stream */
  MAX_DELEGATES = 8,
  MAX_DELEGATE_MS = 60000
};

enum frame_type {
  FRAME_REQUEST = 1,   /* shim: program, environment, stdin, netns, argument; the netns descriptor with the first byte */
  FRAME_RESULT = 2,    /* agent: exit code, stdout, stderr; the last frame */
  FRAME_DELEGATE = 3,  /* agent: program, environment, stdin, time limit */
  FRAME_DELEGATED = 4  /* shim: outcome, code, stdout, stderr */
};

enum field_tag {
  FIELD_PROGRAM = 1,     /* text */
  FIELD_ENVIRONMENT = 2, /* text NAME=value; may be repeated */
  FIELD_STDIN = 3,       /* bytes */
  FIELD_NETNS = 4,       /* u32: 0, or the errno of opening CNI_NETNS */
  FIELD_ARGUMENT = 5,    /* text: a command line flag */
  FIELD_EXIT_CODE = 6,   /* u32 */
  FIELD_STDOUT = 7,      /* bytes */
  FIELD_STDERR = 8,      /* bytes */
  FIELD_TIME_LIMIT = 9,  /* u32, milliseconds */
  FIELD_OUTCOME = 10,    /* u32, enum outcome */
  FIELD_CODE = 11        /* u32, meaning by outcome */
};

enum outcome {
  OUTCOME_EXITED = 1,     /* code: exit code */
  OUTCOME_SIGNALLED = 2,  /* code: signal */
  OUTCOME_TIMED_OUT = 3,  /* code: 0; the program was killed */
  OUTCOME_NOT_STARTED = 4,/* code: errno, ENOENT when no folder of CNI_PATH has it */
  OUTCOME_TOO_LONG = 5    /* code: 0; more output than MAX_DELEGATE_OUTPUT, the program was killed */
};

#endif
