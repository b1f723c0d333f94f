#include "report.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "deadline.h"

enum { MAX_OUTPUT = 8192, MAX_DETAILS = 1024, WRITE_LIMIT_MS = 5000 };

static void append_text(struct buffer *out, const char *text) { buffer_append(out, text, strlen(text)); }

static void append_string(struct buffer *out, const char *text) {
  append_text(out, "\"");
  for (; *text != '\0'; text++) {
    unsigned char byte = (unsigned char)*text;
    char escape[8] = {*text, '\0'};
    if (byte == '"' || byte == '\\') snprintf(escape, sizeof escape, "\\%c", byte);
    if (byte < 0x20 || byte == 0x7f) snprintf(escape, sizeof escape, "\\u%04x", byte);
    append_text(out, escape);
  }
  append_text(out, "\"");
}

void report_error(enum cni_code code, const char *message, const char *details, ...) {
  struct buffer out = {.limit = MAX_OUTPUT};
  char number[16], text[MAX_DETAILS];
  va_list arguments;
  va_start(arguments, details);
  vsnprintf(text, sizeof text, details, arguments);
  va_end(arguments);

  snprintf(number, sizeof number, "%d", (int)code);
  append_text(&out, "{\n    \"code\": ");
  append_text(&out, number);
  append_text(&out, ",\n    \"msg\": ");
  append_string(&out, message);
  append_text(&out, ",\n    \"details\": ");
  append_string(&out, text);
  append_text(&out, "\n}");
  write_all(STDOUT_FILENO, out.data, out.size, now_ms() + WRITE_LIMIT_MS);
  exit(1);
}
