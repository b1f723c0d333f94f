/*
 * The least that a client of a gRPC server can do: one call after the other on one connection.
 *
 *   grpc PORT PATH COUNT < message
 *
 * Calls 127.0.0.1:PORT COUNT times with the same message (at most 16 KiB, so that the server's windows never fill) and
 * prints a line with the microseconds of each call. Answers are thrown away, but one without a message is a failure.
 * HTTP/2 in the form that needs no library: headers are sent as they are and not read, frames are counted off.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

enum { HEAD = 9, MAX_MESSAGE = 16 * 1024 - 5, MAX_PATH = 100, BUFFER = 256 * 1024 };
enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static int server;
static unsigned char input[BUFFER];
static size_t input_start, input_end;

static void put32(unsigned char *at, uint32_t value) {
  uint32_t ordered = htonl(value);
  memcpy(at, &ordered, sizeof ordered);
}

static unsigned char *put_head(unsigned char *at, size_t length, unsigned char type, unsigned char flags, uint32_t stream) {
  put32(at, (uint32_t)length << 8 | type);
  at[4] = flags;
  put32(at + 5, stream);
  return at + HEAD;
}

/* A header field whose name is number `name` of HPACK's table (0: `name_text`), its value as it is. */
static unsigned char *put_field(unsigned char *at, unsigned name, const char *name_text, const char *value) {
  if (name < 15) {
    *at++ = (unsigned char)name;
  } else {
    *at++ = 15;
    *at++ = (unsigned char)(name - 15);
  }
  const char *texts[] = {name == 0 ? name_text : NULL, value};
  for (unsigned i = 0; i < 2; i++) {
    if (texts[i] == NULL) continue;
    size_t length = strlen(texts[i]);
    *at++ = (unsigned char)length;
    memcpy(at, texts[i], length);
    at += length;
  }
  return at;
}

static void send_all(const unsigned char *bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = write(server, bytes, length);
    if (sent <= 0) fail("write");
    bytes += sent;
    length -= (size_t)sent;
  }
}

/* `length` bytes of input, at most a whole buffer. */
static const unsigned char *take(size_t length) {
  if (length > BUFFER) {
    errno = EMSGSIZE;
    fail("frame");
  }
  if (input_start + length > BUFFER) {
    memmove(input, input + input_start, input_end - input_start);
    input_end -= input_start;
    input_start = 0;
  }
  while (input_end - input_start < length) {
    ssize_t got = read(server, input + input_end, BUFFER - input_end);
    if (got == 0) errno = ECONNRESET;
    if (got <= 0) fail("read");
    input_end += (size_t)got;
  }
  const unsigned char *taken = input + input_start;
  input_start += length;
  return taken;
}

static void connect_to(unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  int on = 1;
  if (setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("setsockopt");

  static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  unsigned char greeting[64], *at = greeting;
  memcpy(at, preface, sizeof preface - 1);
  at = put_head(at + sizeof preface - 1, 6, SETTINGS, 0, 0);
  at[0] = 0;
  at[1] = 4; /* the window of each stream */
  put32(at + 2, INT32_MAX);
  at = put_head(at + 6, 4, WINDOW_UPDATE, 0, 0);
  put32(at, INT32_MAX - 65535);
  send_all(greeting, (size_t)(at + 4 - greeting));
}

/* Reads frames until the stream has ended; true when a message came on it. */
static bool await_answer(uint32_t stream) {
  for (bool has_message = false;;) {
    uint32_t head, id;
    const unsigned char *at = take(HEAD);
    memcpy(&head, at, sizeof head);
    memcpy(&id, at + 5, sizeof id);
    const uint32_t length = ntohl(head) >> 8;
    const unsigned char type = at[3], flags = at[4];
    const bool is_ours = (ntohl(id) & INT32_MAX) == stream;
    const unsigned char *payload = take(length);
    unsigned char reply[HEAD + 8];
    if (type == SETTINGS && !(flags & ACK)) {
      put_head(reply, 0, SETTINGS, ACK, 0);
      send_all(reply, HEAD);
    } else if (type == PING && !(flags & ACK)) {
      memcpy(put_head(reply, 8, PING, ACK, 0), payload, 8);
      send_all(reply, sizeof reply);
    } else if (type == GOAWAY || (type == RST_STREAM && is_ours)) {
      return false;
    }
    if (!is_ours) continue;
    if (type == DATA && length > 0) has_message = true;
    if ((type == DATA || type == HEADERS) && (flags & END_STREAM)) return has_message;
  }
}

int main(int argc, char **argv) {
  if (argc != 4 || strlen(argv[2]) > MAX_PATH) {
    fprintf(stderr, "usage: grpc PORT PATH COUNT < message\n");
    return 2;
  }
  unsigned count = parse_count(argv[3]);
  static unsigned char request[1024 + MAX_MESSAGE], message[MAX_MESSAGE + 1];
  size_t length = fread(message, 1, sizeof message, stdin);
  if (length > MAX_MESSAGE) {
    errno = EMSGSIZE;
    fail("message");
  }
  unsigned char *fields = request + HEAD, *at = fields;
  *at++ = 0x83; /* :method POST */
  *at++ = 0x86; /* :scheme http */
  at = put_field(at, 4, NULL, argv[2]); /* :path */
  at = put_field(at, 1, NULL, "127.0.0.1"); /* :authority */
  at = put_field(at, 31, NULL, "application/grpc"); /* content-type */
  at = put_field(at, 0, "te", "trailers");
  const size_t fields_length = (size_t)(at - fields);
  unsigned char *data = at;
  at = data + HEAD;
  *at++ = 0; /* not compressed */
  put32(at, (uint32_t)length);
  memcpy(at + 4, message, length);
  at += 4 + length;

  connect_to(parse_count(argv[1]));
  for (uint32_t i = 0, stream = 1; i < count; i++, stream += 2) {
    put_head(request, fields_length, HEADERS, END_HEADERS, stream);
    put_head(data, length + 5, DATA, END_STREAM, stream);
    int64_t start = now_us();
    send_all(request, (size_t)(at - request));
    if (!await_answer(stream)) {
      fprintf(stderr, "%s was refused\n", argv[2]);
      return 1;
    }
    printf("%lld\n", (long long)(now_us() - start));
  }
  return 0;
}
