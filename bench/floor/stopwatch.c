/* stopwatch PROGRAM ARGUMENT...: runs a program with its output thrown away; prints the microseconds from start to end. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

extern char **environ;

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: stopwatch PROGRAM ARGUMENT...\n");
    return 2;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child;
  int status;
  int64_t start = now_us();
  if (posix_spawnp(&child, argv[1], &actions, NULL, argv + 1, environ) != 0) fail(argv[1]);
  if (waitpid(child, &status, 0) != child) fail("waitpid");
  int64_t spent = now_us() - start;
  posix_spawn_file_actions_destroy(&actions);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "%s failed\n", argv[1]);
    return 1;
  }
  printf("%lld\n", (long long)spent);
  return 0;
}
