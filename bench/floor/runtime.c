/*
 * What a container runtime does with a CNI plugin, and nothing else: environment, network configuration on standard
 * input, result from standard output. The same program calls every plugin that is compared, so that starting a process
 * costs all of them the same.
 *
 *   runtime PLUGIN VERB PREFIX COUNT PARALLEL < network-configuration
 *
 * Container number i is called PREFIX<i>, its namespace is /run/netns/PREFIX<i>. PARALLEL calls are started at once; the
 * next ones when all of them have ended. Prints a line `call MICROSECONDS` for each call, from its own start to its end,
 * and a line `group MICROSECONDS` for each group, from the first start to the last end.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

enum { MAX_PARALLEL = 512, MAX_CONFIG = 16 * 1024, VARIABLES = 7, VARIABLE_SPACE = 512 };

struct call {
  pid_t pid;
  int output;
  int64_t start, spent;
};

static char config[MAX_CONFIG];
static size_t config_length;
static struct call calls[MAX_PARALLEL];

static void read_config(void) {
  ssize_t size;
  while ((size = read(STDIN_FILENO, config + config_length, sizeof config - config_length)) > 0)
    config_length += (size_t)size;
  if (size < 0) fail("read");
}

static void start_call(struct call *call, char *plugin, const char *verb, const char *prefix, unsigned number) {
  char text[VARIABLES][VARIABLE_SPACE];
  snprintf(text[0], VARIABLE_SPACE, "CNI_COMMAND=%s", verb);
  snprintf(text[1], VARIABLE_SPACE, "CNI_CONTAINERID=%s%u", prefix, number);
  snprintf(text[2], VARIABLE_SPACE, "CNI_NETNS=/run/netns/%s%u", prefix, number);
  snprintf(text[3], VARIABLE_SPACE, "CNI_IFNAME=eth0");
  snprintf(text[4], VARIABLE_SPACE, "CNI_PATH=/usr/lib/cni");
  snprintf(text[5], VARIABLE_SPACE, "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=%s%u", prefix, number);
  snprintf(text[6], VARIABLE_SPACE, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  char *environment[VARIABLES + 1] = {NULL};
  for (unsigned i = 0; i < VARIABLES; i++) environment[i] = text[i];
  char *arguments[] = {plugin, NULL};

  int input[2], output[2];
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) fail("pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);

  call->start = now_us();
  /* Smaller than a pipe: it never blocks. */
  if (write(input[1], config, config_length) != (ssize_t)config_length) fail("write");
  close(input[1]);
  if (posix_spawn(&call->pid, plugin, &actions, NULL, arguments, environment) != 0) fail(plugin);
  posix_spawn_file_actions_destroy(&actions);
  close(input[0]);
  close(output[1]);
  call->output = output[0];
}

/* What the plugin said, to standard error, and the end. */
static _Noreturn void report_failure(const struct call *call, const char *verb, int status) {
  char answer[8192];
  ssize_t size = read(call->output, answer, sizeof answer);
  fprintf(stderr, "%s failed with status %d: %.*s\n", verb, status, size > 0 ? (int)size : 0, answer);
  exit(1);
}

static void wait_for_group(unsigned size, const char *verb) {
  for (unsigned ended = 0; ended < size; ended++) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    int64_t now = now_us();
    if (pid < 0) fail("waitpid");
    struct call *call = calls;
    while (call < calls + size && call->pid != pid) call++;
    if (call == calls + size) fail("waitpid");
    call->spent = now - call->start;
    if (status != 0) report_failure(call, verb, status);
  }
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: runtime PLUGIN VERB PREFIX COUNT PARALLEL < network-configuration\n");
    return 2;
  }
  char *plugin = argv[1];
  const char *verb = argv[2], *prefix = argv[3];
  unsigned count = parse_count(argv[4]), parallel = parse_count(argv[5]);
  if (parallel > MAX_PARALLEL) parallel = MAX_PARALLEL;
  read_config();
  for (unsigned from = 0; from < count; from += parallel) {
    unsigned size = count - from < parallel ? count - from : parallel;
    int64_t start = now_us();
    for (unsigned i = 0; i < size; i++) start_call(&calls[i], plugin, verb, prefix, from + i);
    wait_for_group(size, verb);
    int64_t spent = now_us() - start;
    for (unsigned i = 0; i < size; i++) {
      printf("call %lld\n", (long long)calls[i].spent);
      close(calls[i].output);
    }
    printf("group %lld\n", (long long)spent);
  }
  return 0;
}
