// The program behind the proxies, as cheap as can be, so that it does not limit them: HTTP/1.1 and WebSocket echo on a
// loopback port of its own choice, which it prints. GET /small has 13 bytes, GET /large 1 MB; what is posted is read; an
// upgrade is a WebSocket whose messages come back. It ends when its standard input does.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE_BYTES = 1024 * 1024, IN_BYTES = 256 * 1024, EVENTS = 256 };

typedef struct {
  int fd;
  int is_websocket;
  /** What came and was not answered yet: the rest of a head, or of a frame. */
  unsigned char *in;
  size_t in_length;
  /** Bytes of a posted body that are still to come. */
  size_t body_left;
  /** What could not be sent yet. */
  unsigned char *out;
  size_t out_length, out_sent;
} Connection;

static int poller;
static unsigned char *large;
static size_t large_length;
static const char small[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n";
// The answer to the one key that the load generator gives, which is that of RFC 6455 1.3.
static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void watch(Connection *connection, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(poller, operation, connection->fd, &event) < 0) fail("epoll_ctl");
}

static void close_connection(Connection *connection) {
  close(connection->fd);
  free(connection->in);
  free(connection->out);
  free(connection);
}

/** Sends, and keeps what the socket does not take. Returns -1 where the connection is gone. */
static int send_bytes(Connection *connection, const unsigned char *bytes, size_t length) {
  size_t sent = 0;
  if (connection->out_length == 0) {
    ssize_t taken = send(connection->fd, bytes, length, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN) return -1;
    sent = taken < 0 ? 0 : (size_t)taken;
    if (sent == length) return 0;
    watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
  }
  connection->out = realloc(connection->out, connection->out_length + length - sent);
  memcpy(connection->out + connection->out_length, bytes + sent, length - sent);
  connection->out_length += length - sent;
  return 0;
}

static int flush(Connection *connection) {
  size_t left = connection->out_length - connection->out_sent;
  ssize_t taken = send(connection->fd, connection->out + connection->out_sent, left, MSG_NOSIGNAL);
  if (taken < 0) return errno == EAGAIN ? 0 : -1;
  connection->out_sent += (size_t)taken;
  if (connection->out_sent < connection->out_length) return 0;
  connection->out_length = connection->out_sent = 0;
  watch(connection, EPOLL_CTL_MOD, EPOLLIN);
  return 0;
}

/** Answers the request whose head is at `head`. */
static int answer(Connection *connection, const char *head, size_t length) {
  const char *expected = memmem(head, length, "\r\nContent-Length: ", 18);
  if (expected == NULL) expected = memmem(head, length, "\r\ncontent-length: ", 18);
  if (expected != NULL) connection->body_left = strtoul(expected + 18, NULL, 10);
  if (connection->body_left > 0) return 0; // answered when it is here
  if (memmem(head, length, "\r\nSec-WebSocket-Key", 19) != NULL ||
      memmem(head, length, "\r\nsec-websocket-key", 19) != NULL) {
    connection->is_websocket = 1;
    return send_bytes(connection, (const unsigned char *)switching, sizeof switching - 1);
  }
  if (memmem(head, length < 64 ? length : 64, "/large ", 7) != NULL) return send_bytes(connection, large, large_length);
  return send_bytes(connection, (const unsigned char *)small, sizeof small - 1);
}

/** The bytes of the first frame in `in` (RFC 6455 5.2; from a client, hence with a mask), or 0 while it is not whole. */
static size_t echo_frame(Connection *connection, unsigned char *in, size_t length, int *status) {
  if (length < 6) return 0;
  size_t payload = in[1] & 0x7f, header = 2;
  if (payload == 126) {
    if (length < 8) return 0;
    payload = (size_t)in[2] << 8 | in[3];
    header = 4;
  } else if (payload == 127) {
    if (length < 14) return 0;
    payload = 0;
    for (int i = 2; i < 10; i++) payload = payload << 8 | in[i];
    header = 10;
  }
  size_t frame = header + 4 + payload;
  if (frame > IN_BYTES) {
    *status = -1;
    return 0;
  }
  if (length < frame) return 0;
  const unsigned char *mask = in + header;
  for (size_t i = 0; i < payload; i++) in[header + 4 + i] ^= mask[i & 3];
  memmove(in + 4, in, header); // the frame without its mask
  in[5] &= 0x7f;
  *status = send_bytes(connection, in + 4, header + payload);
  return frame;
}

static int take(Connection *connection, unsigned char *bytes, size_t length) {
  size_t at = 0;
  while (at < length) {
    if (connection->body_left > 0) {
      size_t taken = connection->body_left < length - at ? connection->body_left : length - at;
      connection->body_left -= taken;
      at += taken;
      if (connection->body_left == 0 && send_bytes(connection, (const unsigned char *)small, sizeof small - 1) < 0) return -1;
      continue;
    }
    int status = 0;
    if (connection->is_websocket) {
      size_t frame = echo_frame(connection, bytes + at, length - at, &status);
      if (status < 0) return -1;
      if (frame == 0) break;
      at += frame;
      continue;
    }
    unsigned char *end = memmem(bytes + at, length - at, "\r\n\r\n", 4);
    if (end == NULL) break;
    const char *head = (const char *)bytes + at;
    at = (size_t)(end - bytes) + 4;
    if (answer(connection, head, (size_t)((const char *)end - head) + 2) < 0) return -1;
  }
  size_t left = length - at;
  if (left > 0) {
    if (connection->in == NULL) connection->in = malloc(IN_BYTES);
    memmove(connection->in, bytes + at, left);
  }
  connection->in_length = left;
  return 0;
}

static int on_readable(Connection *connection) {
  static unsigned char shared[IN_BYTES];
  unsigned char *into = shared;
  if (connection->in_length > 0) into = connection->in;
  ssize_t got = recv(connection->fd, into + connection->in_length, IN_BYTES - connection->in_length, 0);
  if (got < 0) return errno == EAGAIN ? 0 : -1;
  if (got == 0) return -1;
  return take(connection, into, connection->in_length + (size_t)got);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection *connection = calloc(1, sizeof *connection);
    connection->fd = fd;
    watch(connection, EPOLL_CTL_ADD, EPOLLIN);
  }
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  char head[128];
  int head_length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LARGE_BYTES);
  large_length = (size_t)head_length + LARGE_BYTES;
  large = malloc(large_length);
  memcpy(large, head, (size_t)head_length);
  memset(large + head_length, 'x', LARGE_BYTES);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t address_length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(listener, 4096) < 0) fail("listen");
  getsockname(listener, (struct sockaddr *)&address, &address_length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);

  poller = epoll_create1(0);
  Connection listening = {.fd = listener}, parent = {.fd = STDIN_FILENO};
  watch(&listening, EPOLL_CTL_ADD, EPOLLIN);
  watch(&parent, EPOLL_CTL_ADD, EPOLLIN);
  struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      Connection *connection = events[i].data.ptr;
      if (connection == &parent) return 0;
      if (connection == &listening) {
        accept_all(listener);
        continue;
      }
      int status = events[i].events & EPOLLOUT ? flush(connection) : 0;
      if (status == 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) status = on_readable(connection);
      if (status < 0) close_connection(connection);
    }
  }
}
