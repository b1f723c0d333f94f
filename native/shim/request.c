#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "protocol.h"
#include "report.h"

static const char *const VARIABLES[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS",
                                        "CNI_IFNAME",  "CNI_ARGS",        "CNI_PATH"};
enum { VARIABLE_COUNT = sizeof VARIABLES / sizeof VARIABLES[0], READ_SIZE = 65536 };

void read_stdin(struct buffer *input, int64_t deadline) {
  *input = (struct buffer){.limit = MAX_STDIN + 1}; /* one more byte tells "full" from "too long" */
  while (true) {
    size_t room = buffer_room(input, READ_SIZE);
    if (room == 0) {
      if (input->size <= MAX_STDIN) report_error(CNI_IO_FAILURE, "cannot read standard input", "%s", strerror(ENOMEM));
      report_error(CNI_BAD_CONFIG, "network configuration is too long", "standard input has more than %d bytes",
                   MAX_STDIN);
    }
    int error = wait_for(STDIN_FILENO, POLLIN, deadline);
    ssize_t count = error == 0 ? read(STDIN_FILENO, input->data + input->size, room) : -1;
    if (count == 0) return;
    if (count > 0) {
      input->size += (size_t)count;
    } else {
      if (error == 0) error = errno;
      if (error != EINTR && error != EAGAIN) {
        report_error(CNI_IO_FAILURE, "cannot read standard input", "%s", strerror(error));
      }
    }
  }
}

int open_netns(int *error) {
  const char *path = getenv("CNI_NETNS");
  *error = 0;
  if (path == NULL || path[0] == '\0') return -1;
  /* Without O_NONBLOCK a FIFO would hold us for ever; a namespace does not care. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) *error = errno;
  return fd;
}

static bool append_environment(struct buffer *payload) {
  size_t total = 0;
  for (int i = 0; i < VARIABLE_COUNT; i++) {
    const char *value = getenv(VARIABLES[i]);
    if (value == NULL) continue;
    size_t size = strlen(VARIABLES[i]) + 1 + strlen(value);
    char *entry = malloc(size + 1);
    total += size;
    if (entry == NULL || total > MAX_ENVIRONMENT) {
      free(entry);
      return false;
    }
    snprintf(entry, size + 1, "%s=%s", VARIABLES[i], value);
    bool appended = buffer_append_field(payload, FIELD_ENVIRONMENT, entry, size);
    free(entry);
    if (!appended) return false;
  }
  return true;
}

void encode_request(struct buffer *payload, const char *program, const char *argument, const struct buffer *input,
                    int netns, int netns_error) {
  *payload = (struct buffer){.limit = MAX_PAYLOAD};
  bool complete = buffer_append_field(payload, FIELD_PROGRAM, program, strlen(program));
  if (argument != NULL) complete = complete && buffer_append_field(payload, FIELD_ARGUMENT, argument, strlen(argument));
  complete = complete && append_environment(payload);
  if (netns >= 0 || netns_error != 0) {
    complete = complete && buffer_append_number(payload, FIELD_NETNS, (uint32_t)netns_error);
  }
  complete = complete && buffer_append_field(payload, FIELD_STDIN, input->data, input->size);
  if (!complete) {
    report_error(CNI_BAD_ENVIRONMENT, "environment is too long", "the CNI variables have more than %d bytes",
                 MAX_ENVIRONMENT);
  }
}
