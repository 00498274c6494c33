// A load generator that costs less than what it measures: so many connections, each of which sends its next request or
// message when the last was answered in full.
//   load PORT KIND TARGET CONNECTIONS SECONDS [BYTES [COOKIE]]
// KIND: get; upload (BYTES are posted); connect (a new connection for each request); websocket (messages of BYTES, echoed);
// idle (WebSockets that have exchanged one message, held until standard input ends; prints "open" when all are).
// COOKIE (NAME=VALUE) goes with each request, behind the one that all have. Prints one line of JSON: how many were answered, in how many seconds, and how long an answer took (us).
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
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, HEAD_BYTES = 4096, WEBSOCKET_HEADER_MAX = 14 };
typedef enum { GET, UPLOAD, CONNECT, WEBSOCKET, IDLE } Kind;

typedef struct {
  int fd;
  /** What is being sent: the request, or a message. */
  const unsigned char *out;
  size_t out_length, out_sent;
  int waits_for_room;
  /** Of the answer: its head as far as it came, then how many bytes are still to come. */
  char head[HEAD_BYTES];
  size_t head_length, left;
  int has_head;
  int is_upgraded;
  double since_us;
} Connection;

static Kind kind;
static int port, poller;
static unsigned char *request, *message;
static size_t request_length, message_length, echo_length;
static unsigned *latencies_us;
static size_t answered, latencies_max;
static unsigned source;

static void fail(const char *what) {
  if (errno != 0) perror(what);
  else fprintf(stderr, "%s\n", what);
  exit(1);
}

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void watch(Connection *connection, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(poller, operation, connection->fd, &event) < 0) fail("epoll_ctl");
}

static void send_more(Connection *connection) {
  while (connection->out_sent < connection->out_length) {
    ssize_t taken = send(connection->fd, connection->out + connection->out_sent,
                         connection->out_length - connection->out_sent, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN) fail("send");
    if (taken < 0) {
      if (!connection->waits_for_room) watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      connection->waits_for_room = 1;
      return;
    }
    connection->out_sent += (size_t)taken;
  }
  if (connection->waits_for_room) watch(connection, EPOLL_CTL_MOD, EPOLLIN);
  connection->waits_for_room = 0;
}

static void ask(Connection *connection) {
  connection->out = connection->is_upgraded ? message : request;
  connection->out_length = connection->is_upgraded ? message_length : request_length;
  connection->out_sent = 0;
  connection->head_length = 0;
  connection->has_head = connection->is_upgraded;
  connection->left = connection->is_upgraded ? echo_length : 0;
  connection->since_us = now_us();
  send_more(connection);
}

static void open_connection(Connection *connection) {
  connection->fd = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // From several loopback addresses, so that no pair of ports is ever wanting.
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101 + source++ % 200)};
  if (kind == CONNECT) bind(connection->fd, (struct sockaddr *)&own, sizeof own);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  double since_us = now_us();
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  struct timeval limit = {.tv_sec = 20};
  setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  connection->waits_for_room = connection->is_upgraded = 0;
  watch(connection, EPOLL_CTL_ADD, EPOLLIN);
  ask(connection);
  connection->since_us = since_us;
}

/** Reads the head, and says how many of the bytes belong to it. */
static size_t take_head(Connection *connection, const char *bytes, size_t length) {
  size_t before = connection->head_length;
  if (before + length > HEAD_BYTES - 1) length = HEAD_BYTES - 1 - before;
  memcpy(connection->head + before, bytes, length);
  connection->head_length += length;
  char *end = memmem(connection->head, connection->head_length, "\r\n\r\n", 4);
  if (end == NULL) {
    if (connection->head_length >= HEAD_BYTES - 1) fail("the answer's head is too long");
    return length;
  }
  *end = 0;
  int status = atoi(connection->head + 9);
  if (status != (kind >= WEBSOCKET ? 101 : 200)) {
    errno = 0;
    fail(connection->head);
  }
  const char *announced = strcasestr(connection->head, "\r\ncontent-length:");
  errno = 0;
  if (announced == NULL && status == 200) fail("the answer has no Content-Length");
  connection->left = announced == NULL ? 0 : strtoul(announced + 17, NULL, 10);
  connection->has_head = 1;
  return (size_t)(end + 4 - connection->head) - before;
}

static void note(Connection *connection) {
  if (answered == latencies_max) {
    latencies_max = latencies_max == 0 ? 65536 : latencies_max * 2;
    latencies_us = realloc(latencies_us, latencies_max * sizeof *latencies_us);
  }
  latencies_us[answered++] = (unsigned)(now_us() - connection->since_us);
}

static void on_readable(Connection *connection) {
  static char bytes[256 * 1024];
  ssize_t got = recv(connection->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) fail("the connection ended before its answer did");
  size_t at = 0;
  if (!connection->has_head) at = take_head(connection, bytes, (size_t)got);
  if (!connection->has_head) return;
  size_t taken = (size_t)got - at < connection->left ? (size_t)got - at : connection->left;
  connection->left -= taken;
  errno = 0;
  if (at + taken < (size_t)got) fail("more came than was asked for");
  if (connection->left > 0) return;
  if (kind >= WEBSOCKET && !connection->is_upgraded) {
    connection->is_upgraded = 1;
    return ask(connection);
  }
  note(connection);
  if (kind == IDLE) return;
  if (kind == CONNECT) {
    close(connection->fd);
    return open_connection(connection);
  }
  ask(connection);
}

static void make_request(const char *target, size_t bytes, const char *cookie) {
  request = malloc(HEAD_BYTES + bytes);
  int length = snprintf((char *)request, HEAD_BYTES / 2,
                        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\nAccept: */*\r\n"
                        "Accept-Encoding: gzip\r\nCookie: session=0123456789abcdef%s%s\r\n",
                        kind == UPLOAD ? "POST" : "GET", target, port, cookie[0] == 0 ? "" : "; ", cookie);
  if (length >= HEAD_BYTES / 2) fail("the request's head is too long");
  char *end = (char *)request + length;
  if (kind == UPLOAD) end += sprintf(end, "Content-Length: %zu\r\n", bytes);
  if (kind == CONNECT) end += sprintf(end, "Connection: close\r\n");
  if (kind >= WEBSOCKET) {
    end += sprintf(end, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
  }
  end += sprintf(end, "\r\n");
  request_length = (size_t)(end - (char *)request);
  if (kind == UPLOAD) {
    memset(end, 'x', bytes);
    request_length += bytes;
  }
}

/** A binary frame with a mask (RFC 6455 5.2). */
static void make_message(size_t bytes) {
  message = calloc(1, WEBSOCKET_HEADER_MAX + bytes);
  message[0] = 0x82;
  size_t header = 2;
  if (bytes < 126) {
    message[1] = (unsigned char)(0x80 | bytes);
  } else if (bytes < 65536) {
    message[1] = 0x80 | 126;
    message[2] = (unsigned char)(bytes >> 8);
    message[3] = (unsigned char)bytes;
    header = 4;
  } else {
    message[1] = 0x80 | 127;
    for (int i = 0; i < 8; i++) message[2 + i] = (unsigned char)((unsigned long long)bytes >> (56 - 8 * i));
    header = 10;
  }
  memcpy(message + header, "mask", 4);
  memset(message + header + 4, 'x', bytes);
  message_length = header + 4 + bytes;
  echo_length = header + bytes;
}

static int ascending(const void *left, const void *right) {
  unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
  return (a > b) - (a < b);
}

static unsigned at_share(double share) {
  return answered == 0 ? 0 : latencies_us[(size_t)(share * (double)(answered - 1))];
}

int main(int count, char **given) {
  if (count < 6) {
    fprintf(stderr, "load PORT KIND TARGET CONNECTIONS SECONDS [BYTES [COOKIE]]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  static const char *kinds[] = {"get", "upload", "connect", "websocket", "idle"};
  port = atoi(given[1]);
  while (strcmp(kinds[kind], given[2]) != 0) {
    if (kind == IDLE) fail("no such kind");
    kind++;
  }
  int connections = atoi(given[4]);
  double seconds = atof(given[5]);
  size_t bytes = count > 6 ? strtoul(given[6], NULL, 10) : 0;
  make_request(given[3], bytes, count > 7 ? given[7] : "");
  if (kind >= WEBSOCKET) make_message(bytes);

  poller = epoll_create1(0);
  Connection *all = calloc((size_t)connections, sizeof *all);
  for (int i = 0; i < connections; i++) open_connection(&all[i]);
  double begin_us = now_us(), end_us = begin_us + seconds * 1e6;
  struct epoll_event events[EVENTS];
  while (now_us() < end_us && (kind != IDLE || answered < (size_t)connections)) {
    int ready = epoll_wait(poller, events, EVENTS, 100);
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) send_more(connection);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(connection);
    }
  }
  double took_us = now_us() - begin_us;
  if (kind == IDLE) {
    errno = 0;
    if (answered < (size_t)connections) fail("not all connections were answered in time");
    printf("open\n");
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    return 0;
  }
  qsort(latencies_us, answered, sizeof *latencies_us, ascending);
  printf("{\"answered\":%zu,\"seconds\":%.6f,\"p50Us\":%u,\"p99Us\":%u}\n", answered, took_us / 1e6, at_share(0.5),
         at_share(0.99));
  return 0;
}
