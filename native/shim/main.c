/*
 * The CNI plugin as the container runtime starts it, under the names calico and calico-ipam. It knows nothing about
 * networks: it hands the call to the agent of this node over a unix socket and prints the answer. What it does alone
 * is what must work without an agent: VERSION, the flags, and saying that the agent is away.
 *
 * Standard output carries the CNI result and nothing else. Every wait is bounded (LIMIT_MS).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "deadline.h"
#include "delegate.h"
#include "netconf.h"
#include "report.h"
#include "request.h"

/* Less than the two minutes after which a kubelet gives up: it then sees our reason and not its own timeout. */
#ifndef LIMIT_MS
#define LIMIT_MS 90000
#endif
#ifndef STATUS_LIMIT_MS
#define STATUS_LIMIT_MS 10000
#endif

enum { EXIT_USAGE = 2, SOCKET_PATH_SIZE = 108, WATCHDOG_S = 10, PRINT_LIMIT_MS = 5000 };

static const char DEFAULT_SOCKET[] = "/var/run/calico/cni/cni.sock";
static const char VERSIONS[] =
    "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":"
    "[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";
static const char ABOUT[] =
    "Calico-compatible CNI plugin: hands requests to the node agent (" SHIM_VERSION ")\n"
    "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n";

struct call {
  const char *program;  /* calico or calico-ipam */
  const char *argument; /* "-t", or NULL */
  bool is_status;
  int64_t deadline;
};

static void print(int fd, const void *data, size_t size) {
  if (write_all(fd, data, size, now_ms() + PRINT_LIMIT_MS) != 0 && fd == STDOUT_FILENO) exit(1);
}

_Noreturn static void report_away(const struct call *call, const struct failure *failure) {
  if (call->argument != NULL) report_error(CNI_CONNECTION_TEST, "data store connection failed", "%s", failure->text);
  report_error(call->is_status ? CNI_NOT_AVAILABLE : CNI_TRY_LATER, "the Calico node agent does not answer",
               "%s: check that calico-node runs on this node", failure->text);
}

/* Prints the agent's result and ends. False when it is damaged. */
static bool finish(const struct buffer *payload) {
  struct field field, output = {0}, errors = {0}, code = {0};
  size_t offset = 0;
  bool damaged;
  while (field_next(payload, &offset, &field, &damaged)) {
    struct field *slot = field.tag == FIELD_STDOUT      ? &output
                         : field.tag == FIELD_STDERR    ? &errors
                         : field.tag == FIELD_EXIT_CODE ? &code
                                                        : NULL;
    if (slot == NULL || slot->tag != 0) return false;
    *slot = field;
  }
  if (damaged || output.tag == 0 || errors.tag == 0 || code.size != 4 || load_u32(code.data) > 255) return false;
  print(STDERR_FILENO, errors.data, errors.size);
  print(STDOUT_FILENO, output.data, output.size);
  exit((int)load_u32(code.data));
}

/* Does what one frame asks for. False when the conversation is over without a result. */
static bool obey(int connection, const struct frame *frame, int delegates, int64_t deadline, struct failure *failure) {
  struct buffer report = {0};
  if (frame->type == FRAME_RESULT) {
    snprintf(failure->text, sizeof failure->text, "the answer of the agent is damaged");
    return finish(&frame->payload);
  }
  if (delegates >= MAX_DELEGATES) {
    snprintf(failure->text, sizeof failure->text, "the agent asked for more than %d delegates", MAX_DELEGATES);
    return false;
  }
  bool sent = run_delegate(&frame->payload, &report, deadline, failure) &&
              agent_send(connection, FRAME_DELEGATED, &report, -1, deadline, failure);
  buffer_free(&report);
  return sent;
}

/* Obeys the agent until it gives the result. Returns only with a failure. */
static void converse(int connection, int64_t deadline, struct failure *failure) {
  struct frame frame;
  bool goes_on = true;
  for (int delegates = 0; goes_on && agent_receive(connection, &frame, deadline, failure); delegates++) {
    goes_on = obey(connection, &frame, delegates, deadline, failure);
    buffer_free(&frame.payload);
  }
}

static void find_socket(const struct buffer *input, char path[SOCKET_PATH_SIZE]) {
  switch (find_agent_socket(input->data, input->size, path, SOCKET_PATH_SIZE)) {
    case SETTING_FOUND:
      return;
    case SETTING_ABSENT:
      memcpy(path, DEFAULT_SOCKET, sizeof DEFAULT_SOCKET);
      return;
    case SETTING_INVALID:
      report_error(CNI_BAD_CONFIG, "invalid agent_socket",
                   "agent_socket must be an absolute path of at most %d bytes", SOCKET_PATH_SIZE - 1);
  }
}

_Noreturn static void ask_agent(const struct call *call) {
  struct buffer input, payload;
  struct failure failure;
  char path[SOCKET_PATH_SIZE];
  int connection, netns_error;

  read_stdin(&input, call->deadline);
  find_socket(&input, path);
  int netns = open_netns(&netns_error);
  encode_request(&payload, call->program, call->argument, &input, netns, netns_error);
  buffer_free(&input);
  if (agent_connect(path, &connection, &failure)) {
    bool sent = agent_send(connection, FRAME_REQUEST, &payload, netns, call->deadline, &failure);
    buffer_free(&payload);
    if (netns >= 0) close(netns); /* a delegate must not have it */
    if (sent) converse(connection, call->deadline, &failure);
  }
  report_away(call, &failure);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

/* -v and -h end here. Returns "-t" when the connection test is asked for. */
static const char *read_flag(const char *flag, bool is_ipam) {
  if (flag[0] != '-' || flag[1] == '\0') return NULL; /* other words are ignored, as Calico does */
  const char *name = flag + (flag[1] == '-' ? 2 : 1);
  if (strcmp(name, "v") == 0) {
    print(STDOUT_FILENO, SHIM_VERSION "\n", sizeof SHIM_VERSION);
    exit(0);
  }
  if (strcmp(name, "t") == 0 && !is_ipam) return "-t";
  bool help = strcmp(name, "h") == 0 || strcmp(name, "help") == 0;
  if (!help) fprintf(stderr, "flag provided but not defined: -%s\n", name);
  fprintf(stderr, "Usage of %s:\n", is_ipam ? "calico-ipam" : "calico");
  if (!is_ipam) fprintf(stderr, "  -t\tTest whether the node agent can be reached\n");
  fprintf(stderr, "  -v\tDisplay version\n");
  exit(help ? 0 : EXIT_USAGE);
}

/* A descriptor 0 to 2 that is closed would be taken by the next file opened. */
static void occupy_standard_descriptors(void) {
  for (int fd = 0; fd < 3; fd++) {
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd) _exit(1);
  }
}

int main(int argc, char **argv) {
  occupy_standard_descriptors();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  bool is_ipam = argc > 0 && strcmp(base_name(argv[0]), "calico-ipam") == 0;
  struct call call = {.program = is_ipam ? "calico-ipam" : "calico"};
  for (int i = 1; i < argc && call.argument == NULL; i++) call.argument = read_flag(argv[i], is_ipam);

  const char *command = getenv("CNI_COMMAND");
  if (call.argument == NULL && (command == NULL || command[0] == '\0')) {
    print(STDERR_FILENO, ABOUT, sizeof ABOUT - 1);
    return 0;
  }
  if (call.argument == NULL && strcmp(command, "VERSION") == 0) {
    print(STDOUT_FILENO, VERSIONS, sizeof VERSIONS - 1);
    return 0;
  }
  call.is_status = call.argument == NULL && strcmp(command, "STATUS") == 0;
  int limit_ms = call.is_status || call.argument != NULL ? STATUS_LIMIT_MS : LIMIT_MS;
  call.deadline = now_ms() + limit_ms;
  alarm((unsigned)limit_ms / 1000 + WATCHDOG_S); /* should a system call block against all expectation */
  ask_agent(&call);
}
