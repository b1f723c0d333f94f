/*
 * The agent names a program, never a path: it is looked up in the folders of CNI_PATH. Only variables whose name
 * begins with CNI_ can be changed. The program leads a process group of its own, so that nothing it started survives
 * the time limit; its end is noticed by SIGCHLD and not by the end of its output, which a daemon may hold open.
 */
#include "delegate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"

enum { MAX_VARIABLES = 16, MAX_NAME = 255, MAX_PATH = 4096, READ_SIZE = 65536 };

extern char **environ;

struct order {
  char program[MAX_NAME + 1];
  char *variables[MAX_VARIABLES]; /* NAME=value */
  int variable_count;
  const uint8_t *input;
  size_t input_size;
  uint32_t limit_ms;
};

struct child {
  pid_t pid;
  int input, output, errors, signals;
  enum outcome outcome; /* 0 while it runs */
  uint32_t code;
};

/* --------------------------------------------------------------------------------------------------- order */

static bool take_program(struct order *order, const struct field *field) {
  if (field->size == 0 || field->size > MAX_NAME || memchr(field->data, '\0', field->size) != NULL ||
      memchr(field->data, '/', field->size) != NULL) {
    return false;
  }
  memcpy(order->program, field->data, field->size);
  order->program[field->size] = '\0';
  return strcmp(order->program, ".") != 0 && strcmp(order->program, "..") != 0;
}

static bool take_variable(struct order *order, const struct field *field) {
  static const char prefix[] = "CNI_";
  if (order->variable_count == MAX_VARIABLES || field->size < sizeof prefix || field->size > MAX_ENVIRONMENT ||
      memcmp(field->data, prefix, sizeof prefix - 1) != 0 || memchr(field->data, '\0', field->size) != NULL ||
      memchr(field->data, '=', field->size) == NULL) {
    return false;
  }
  char *copy = malloc(field->size + 1u);
  if (copy == NULL) return false;
  memcpy(copy, field->data, field->size);
  copy[field->size] = '\0';
  order->variables[order->variable_count++] = copy;
  return true;
}

static bool take_field(struct order *order, const struct field *field) {
  switch (field->tag) {
    case FIELD_PROGRAM:
      return order->program[0] == '\0' && take_program(order, field);
    case FIELD_ENVIRONMENT:
      return take_variable(order, field);
    case FIELD_STDIN:
      if (order->input != NULL) return false;
      order->input = field->data;
      order->input_size = field->size;
      return true;
    case FIELD_TIME_LIMIT:
      if (order->limit_ms != 0 || field->size != 4) return false;
      order->limit_ms = load_u32(field->data);
      return order->limit_ms > 0 && order->limit_ms <= MAX_DELEGATE_MS;
    default:
      return false;
  }
}

static bool read_order(const struct buffer *payload, struct order *order) {
  struct field field;
  size_t offset = 0;
  bool damaged;
  while (field_next(payload, &offset, &field, &damaged)) {
    if (!take_field(order, &field)) return false;
  }
  return !damaged && order->program[0] != '\0' && order->input != NULL && order->limit_ms != 0;
}

/* ------------------------------------------------------------------------------------------------- program */

/* The first folder of CNI_PATH that has an executable file of that name. */
static bool find_program(const char *name, char *path, size_t size) {
  const char *folders = getenv("CNI_PATH");
  while (folders != NULL && *folders != '\0') {
    size_t length = strcspn(folders, ":");
    struct stat status;
    if (length > 0 && folders[0] == '/' && length < size) {
      int written = snprintf(path, size, "%.*s/%s", (int)length, folders, name);
      if (written > 0 && (size_t)written < size && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
          access(path, X_OK) == 0) {
        return true;
      }
    }
    folders += length + (folders[length] == ':');
  }
  return false;
}

static bool same_name(const char *variable, const char *other) {
  size_t length = strcspn(variable, "=");
  return strncmp(variable, other, length) == 0 && other[length] == '=';
}

/* Our environment with the variables of the order. The strings are shared. */
static char **merge_environment(const struct order *order) {
  size_t count = 0, kept = 0;
  while (environ[count] != NULL) count++;
  char **merged = calloc(count + MAX_VARIABLES + 1, sizeof *merged);
  if (merged == NULL) return NULL;
  for (size_t i = 0; i < count; i++) {
    bool replaced = false;
    for (int j = 0; j < order->variable_count && !replaced; j++) replaced = same_name(order->variables[j], environ[i]);
    if (!replaced) merged[kept++] = environ[i];
  }
  for (int j = 0; j < order->variable_count; j++) {
    bool repeated = false; /* the last one counts */
    for (int k = j + 1; k < order->variable_count; k++) repeated |= same_name(order->variables[j], order->variables[k]);
    if (!repeated) merged[kept++] = order->variables[j];
  }
  return merged;
}

_Noreturn static void become(const char *path, char **environment, const int pipes[3], int failure_pipe) {
  sigset_t none;
  sigemptyset(&none);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int error = 0;
  /* Descriptors 0 to 2 are open in this process, so none of the pipes can be one of them. */
  for (int i = 0; i < 3 && error == 0; i++) {
    if (dup2(pipes[i], i) < 0) error = errno;
  }
  if (error == 0) {
    char *const arguments[] = {(char *)(uintptr_t)path, NULL};
    execve(path, arguments, environment);
    error = errno;
  }
  ssize_t ignored = write(failure_pipe, &error, sizeof error);
  _exit(ignored < 0 ? 126 : 127);
}

static void close_all(const int *fds, int count) {
  for (int i = 0; i < count; i++) {
    if (fds[i] >= 0) close(fds[i]);
  }
}

/* Waits for the exec: the pipe closes by itself when it succeeds. 0 or an errno. */
static int exec_error(int fd) {
  int error = 0;
  ssize_t count;
  do {
    count = read(fd, &error, sizeof error);
  } while (count < 0 && errno == EINTR);
  return count == (ssize_t)sizeof error ? error : 0;
}

static int start_child(struct child *child, const char *path, char **environment) {
  int fds[8] = {-1, -1, -1, -1, -1, -1, -1, -1}; /* stdin, stdout, stderr, failure: read end, write end */
  for (int i = 0; i < 4; i++) {
    if (pipe2(fds + 2 * i, O_CLOEXEC) != 0) {
      int error = errno;
      close_all(fds, 8);
      return error;
    }
  }
  child->pid = fork();
  if (child->pid == 0) become(path, environment, (const int[]){fds[0], fds[3], fds[5]}, fds[7]);
  int error = child->pid < 0 ? errno : 0;
  if (child->pid > 0) setpgid(child->pid, child->pid); /* both sides do it: whoever comes first */
  close_all((const int[]){fds[0], fds[3], fds[5], fds[7]}, 4);
  if (error == 0) {
    error = exec_error(fds[6]);
    if (error != 0) waitpid(child->pid, NULL, 0);
  }
  close(fds[6]);
  if (error != 0) {
    close_all((const int[]){fds[1], fds[2], fds[4]}, 3);
    return error;
  }
  child->input = fds[1];
  child->output = fds[2];
  child->errors = fds[4];
  set_nonblocking(child->input);
  set_nonblocking(child->output);
  set_nonblocking(child->errors);
  return 0;
}

/* ---------------------------------------------------------------------------------------------------- run */

static void stop_child(struct child *child, enum outcome outcome) {
  kill(-child->pid, SIGKILL);
  waitpid(child->pid, NULL, 0);
  child->outcome = outcome;
  child->code = 0;
}

static void close_end(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void feed(struct child *child, struct order *order) {
  ssize_t written = order->input_size == 0 ? 0 : write(child->input, order->input, order->input_size);
  if (written < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (written >= 0) {
    order->input += written;
    order->input_size -= (size_t)written;
  }
  /* A program that does not want its input is no failure. */
  if (written < 0 || order->input_size == 0) close_end(&child->input);
}

/* Takes what is there. False when there is more than may be kept. */
static bool take_output(int *fd, struct buffer *into) {
  while (*fd >= 0) {
    size_t room = buffer_room(into, READ_SIZE);
    if (room == 0) return false;
    ssize_t count = read(*fd, into->data + into->size, room);
    if (count > 0) {
      into->size += (size_t)count;
    } else if (count == 0) {
      close_end(fd);
    } else if (errno != EINTR) {
      if (errno != EAGAIN) close_end(fd);
      return true;
    }
  }
  return true;
}

static size_t kept(const struct buffer *stream) {
  return stream->size < MAX_DELEGATE_OUTPUT ? stream->size : MAX_DELEGATE_OUTPUT;
}

static void check_exit(struct child *child) {
  struct signalfd_siginfo ignored;
  int status;
  ssize_t count = read(child->signals, &ignored, sizeof ignored);
  if (count < 0 && errno != EAGAIN) return;
  if (waitpid(child->pid, &status, WNOHANG) != child->pid) return;
  child->outcome = WIFSIGNALED(status) ? OUTCOME_SIGNALLED : OUTCOME_EXITED;
  child->code = (uint32_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void run_child(struct child *child, struct order *order, struct buffer *output, struct buffer *errors,
                      int64_t deadline) {
  while (child->outcome == 0) {
    struct pollfd entries[] = {{.fd = child->input, .events = POLLOUT},
                               {.fd = child->output, .events = POLLIN},
                               {.fd = child->errors, .events = POLLIN},
                               {.fd = child->signals, .events = POLLIN}};
    int ready = poll(entries, 4, left_ms(deadline));
    if (ready < 0 && errno != EINTR) break;
    if (ready == 0 && left_ms(deadline) == 0) {
      stop_child(child, OUTCOME_TIMED_OUT);
      return;
    }
    if (ready <= 0) continue;
    if (entries[0].revents != 0) feed(child, order);
    if (entries[3].revents != 0) check_exit(child);
    if (!take_output(&child->output, output) || !take_output(&child->errors, errors)) {
      if (child->outcome == 0) stop_child(child, OUTCOME_TOO_LONG);
      child->outcome = OUTCOME_TOO_LONG;
      child->code = 0;
    }
  }
  if (child->outcome == 0) stop_child(child, OUTCOME_TIMED_OUT);
}

static void run_program(struct child *child, struct order *order, struct buffer *output, struct buffer *errors,
                        int64_t deadline) {
  char path[MAX_PATH];
  sigset_t signals;
  int error = ENOENT;
  char **environment = merge_environment(order);
  if (environment == NULL) {
    error = ENOMEM;
  } else if (find_program(order->program, path, sizeof path)) {
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    child->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    error = child->signals < 0 ? errno : start_child(child, path, environment);
  }
  free(environment);
  if (error != 0) {
    child->outcome = OUTCOME_NOT_STARTED;
    child->code = (uint32_t)error;
  } else {
    run_child(child, order, output, errors, deadline);
  }
  close_end(&child->input);
  close_end(&child->output);
  close_end(&child->errors);
  close_end(&child->signals);
}

bool run_delegate(const struct buffer *payload, struct buffer *report, int64_t deadline, struct failure *failure) {
  struct order order = {0};
  struct child child = {.input = -1, .output = -1, .errors = -1, .signals = -1};
  /* One more byte tells "full" from "too long". */
  struct buffer output = {.limit = MAX_DELEGATE_OUTPUT + 1}, errors = {.limit = MAX_DELEGATE_OUTPUT + 1};
  bool valid = read_order(payload, &order), complete = false;
  if (valid) {
    int64_t own = now_ms() + order.limit_ms;
    run_program(&child, &order, &output, &errors, own < deadline ? own : deadline);
    *report = (struct buffer){.limit = MAX_PAYLOAD};
    complete = buffer_append_number(report, FIELD_OUTCOME, child.outcome) &&
               buffer_append_number(report, FIELD_CODE, child.code) &&
               buffer_append_field(report, FIELD_STDOUT, output.data, kept(&output)) &&
               buffer_append_field(report, FIELD_STDERR, errors.data, kept(&errors));
  }
  for (int i = 0; i < order.variable_count; i++) free(order.variables[i]);
  buffer_free(&output);
  buffer_free(&errors);
  if (!valid) snprintf(failure->text, sizeof failure->text, "the agent asked for a delegate in a damaged message");
  if (valid && !complete) snprintf(failure->text, sizeof failure->text, "out of memory");
  return complete;
}
