// The load generator: one thread, epoll, every byte that comes back compared with what has to come back.
//
//   loadgen -m echo|idle|accept -p PORT [-c CONNECTIONS] [-d DEPTH] [-s SIZE] [-f u32be|lines] [-x FILE]
//           [-t SECONDS] [-n FRAMES] [-w WARM-UP SECONDS] [-r FRAMES A SECOND] [-i]
//
// echo    closed loop: each connection keeps DEPTH frames in flight, an answer sends the next request.
//         With -r open loop: frame i is due at i / RATE seconds whatever the server does, and its latency counts from
//         then, not from when it could be sent: no coordinated omission. With -i it sleeps while nothing is due, and
//         leaves its core to others; without, it never does, so that no frame leaves late.
// idle    opens the connections, one echo on each, prints READY, holds them until its standard input ends.
// accept  connect, one echo, close, again and again; as many at a time as connections were asked for.
//
// -n ends the window before its time, when so many frames have come back in it.
// -x FILE instead of -s and -f: requests and their answers, in turn, each behind its length as u32be.
// Prints MEASURE and STOP where the measured window begins and ends, then one line of JSON. Exit codes: 1 the system
// failed, 2 usage, 3 other bytes came back than had to, 4 the server closed or left requests unanswered.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { SYSTEM = 1, USAGE = 2, MISMATCH = 3, UNANSWERED = 4 };
enum { READ = 512 * 1024, CYCLE = 256 * 1024, EVENTS = 256, PATIENCE = 15 };

static void die(int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("loadgen: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(code);
}
static void check(int ok, const char *what) {
  if (!ok) die(SYSTEM, "%s: %s", what, strerror(errno));
}
static void *need(size_t size) {
  void *memory = calloc(1, size ? size : 1);
  check(memory != NULL, "memory");
  return memory;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
static double cpu_seconds(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
static void say(const char *line) {
  puts(line);
  fflush(stdout);
}

// What is sent, and what has to come back: `count` messages, again from the first when all have gone. The bytes are
// stored twice, so that what begins anywhere in the first copy is in one piece up to one whole cycle.
typedef struct {
  uint8_t *bytes;
  size_t *end; // of message i
  size_t length, count;
} Cycle;
static Cycle requests, answers;

static void add(Cycle *cycle, const uint8_t *message, size_t size) {
  cycle->bytes = realloc(cycle->bytes, cycle->length + size);
  cycle->end = realloc(cycle->end, (cycle->count + 1) * sizeof *cycle->end);
  check(cycle->bytes != NULL && cycle->end != NULL, "memory");
  memcpy(cycle->bytes + cycle->length, message, size);
  cycle->length += size;
  cycle->end[cycle->count++] = cycle->length;
}
static void twice(Cycle *cycle) {
  cycle->bytes = realloc(cycle->bytes, 2 * cycle->length);
  check(cycle->bytes != NULL, "memory");
  memcpy(cycle->bytes + cycle->length, cycle->bytes, cycle->length);
}

// Frames of random bytes; lines of random letters. Each is different, so that one in another's place is found.
static void generate(size_t size, int lines) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  uint64_t random = 0x9e3779b97f4a7c15;
  uint8_t *frame = need(size + 4);
  for (size_t i = 0; i < 8 || requests.length < CYCLE; i++) {
    uint8_t *payload = lines ? frame : frame + 4;
    for (size_t j = 0; j < size; j++) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      payload[j] = lines ? (uint8_t)letters[random % 64] : (uint8_t)random;
    }
    if (lines) payload[size] = '\n';
    else for (int j = 0; j < 4; j++) frame[j] = (uint8_t)(size >> (24 - 8 * j));
    add(&requests, frame, size + (lines ? 1 : 4));
  }
  free(frame);
  twice(&requests);
  answers = requests;
}
static void load(const char *path) {
  FILE *file = fopen(path, "rb");
  check(file != NULL, path);
  uint8_t head[4];
  Cycle *to = &requests;
  while (fread(head, 1, 4, file) == 4) {
    size_t size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    uint8_t *message = need(size);
    if (fread(message, 1, size, file) != size) die(USAGE, "%s: cut short", path);
    add(to, message, size);
    free(message);
    to = to == &requests ? &answers : &requests;
  }
  fclose(file);
  if (requests.count == 0 || requests.count != answers.count) die(USAGE, "%s: not as many answers as requests", path);
  twice(&requests);
  twice(&answers);
}

// Counts of nanoseconds, 64 classes for each power of two: an error of 1.6 % at most.
static uint64_t histogram[64 * 64], recorded, longest;
static void record(uint64_t ns, uint64_t count) {
  if (ns > longest) longest = ns;
  if (ns < 64) ns = 64;
  int power = 63 - __builtin_clzll(ns);
  histogram[power * 64 + (int)(ns >> (power - 6) & 63)] += count;
  recorded += count;
}
static double micros(double quantile) {
  uint64_t below = 0, wanted = (uint64_t)(quantile * (double)recorded);
  for (int i = 0; i < 64 * 64; i++) {
    below += histogram[i];
    if (below > wanted) return (double)((64ull + (uint64_t)(i & 63)) << (i / 64) >> 6) / 1e3;
  }
  return (double)longest / 1e3;
}

static const char *mode = "echo";
static int port, depth = 1, epoll;
static size_t connections = 1;
static double seconds = 3, warmup = 1, rate;
static uint64_t most = UINT64_MAX;
static uint8_t *buffer;
static uint64_t frames, bytes, window_from; // the measured ones; 0: it has not begun
static int stopped, sleeps;

// Requests that were issued together: one time for all of them.
typedef struct {
  uint64_t at, count;
} Batch;
typedef struct {
  int fd, wants_write;
  size_t index;                // which connection this is
  uint64_t issued, answered;   // frames
  uint64_t unsent;             // bytes issued that the kernel has not taken
  size_t send_at, receive_at;  // where in the cycle
  size_t next_out, next_in;    // messages of the cycle
  Batch *batches;              // closed loop: a ring of `depth`
  size_t oldest, newest;
} Line;
static Line *all;

static struct sockaddr_in loopback(uint32_t host, int at) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons((uint16_t)at), .sin_addr.s_addr = htonl(0x7f000000 + host)};
}
// Each from another address of 127.0.0.0/8: one address has but some 28,000 ports, and each rests for a minute.
static int dial(void) {
  static uint32_t host = 0;
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  check(fd >= 0, "socket");
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_in from = loopback(2 + host++ % 65000, 0), to = loopback(1, port);
  check(bind(fd, (struct sockaddr *)&from, sizeof from) == 0, "bind");
  check(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS, "connect");
  return fd;
}
static void connected(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  check(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0, "getsockopt");
  errno = error;
  check(error == 0, "connect");
}
static void watch(int operation, int fd, uint32_t events, void *what) {
  struct epoll_event event = {.events = events, .data.ptr = what};
  check(epoll_ctl(epoll, operation, fd, &event) == 0, "epoll_ctl");
}

static void compare(const uint8_t *got, const uint8_t *wanted, size_t size, size_t message) {
  if (memcmp(got, wanted, size) == 0) return;
  size_t i = 0;
  while (got[i] == wanted[i]) i++;
  size_t shown = size - i < 120 ? size - i : 120;
  fprintf(stderr, "loadgen: mismatch in message %zu of the cycle\n got    ", message);
  fwrite(got + i, 1, shown, stderr);
  fputs("\n wanted ", stderr);
  fwrite(wanted + i, 1, shown, stderr);
  fputc('\n', stderr);
  exit(MISMATCH);
}

static void issue(Line *line, uint64_t count, uint64_t at) {
  for (uint64_t i = 0; i < count; i++) {
    line->unsent += requests.end[line->next_out] - (line->next_out == 0 ? 0 : requests.end[line->next_out - 1]);
    if (++line->next_out == requests.count) line->next_out = 0;
  }
  line->issued += count;
  if (rate > 0) return;
  line->batches[line->newest] = (Batch){at, count};
  line->newest = (line->newest + 1) % (size_t)depth;
}
static void flush_line(Line *line) {
  while (line->unsent > 0) {
    size_t size = line->unsent < requests.length ? line->unsent : requests.length;
    ssize_t sent = send(line->fd, requests.bytes + line->send_at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) die(UNANSWERED, "send: %s", strerror(errno));
    line->unsent -= (uint64_t)sent;
    line->send_at = (line->send_at + (size_t)sent) % requests.length;
  }
  int wants_write = line->unsent > 0;
  if (wants_write == line->wants_write) return;
  line->wants_write = wants_write;
  watch(EPOLL_CTL_MOD, line->fd, EPOLLIN | (wants_write ? EPOLLOUT : 0u), line);
}

// Open loop: when the frame with this number, of all connections in turn, is due.
static uint64_t opened, scheduled;
static uint64_t due(uint64_t number) { return opened + (uint64_t)((double)number / rate * 1e9); }
// Only those that have something to send are looked at: an asker that looks at 10,000 sends in bursts.
static void issue_due(uint64_t at) {
  uint64_t first = scheduled;
  for (; due(scheduled) <= at; scheduled++) issue(&all[scheduled % connections], 1, at);
  uint64_t touched = scheduled - first < connections ? scheduled - first : connections;
  for (uint64_t i = 0; i < touched; i++) flush_line(&all[(first + i) % connections]);
}

static void count_answers(Line *line, uint64_t count, uint64_t at) {
  if (rate > 0) {
    // Also after the window: what was due in it counts, however late its answer.
    for (uint64_t i = 0; i < count && window_from > 0; i++) {
      uint64_t wanted = due((line->answered + i) * connections + line->index);
      if (wanted >= window_from) record(at - wanted, 1), frames++;
    }
  } else {
    int measured = window_from > 0 && !stopped;
    if (measured) frames += count;
    for (uint64_t left = count; left > 0;) {
      Batch *batch = &line->batches[line->oldest];
      uint64_t taken = left < batch->count ? left : batch->count;
      if (measured) record(at - batch->at, taken);
      batch->count -= taken, left -= taken;
      if (batch->count == 0) line->oldest = (line->oldest + 1) % (size_t)depth;
    }
  }
  line->answered += count;
}
static void receive(Line *line) {
  ssize_t size = recv(line->fd, buffer, READ, 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size < 0) die(UNANSWERED, "receive: %s", strerror(errno));
  if (size == 0) die(UNANSWERED, "the server closed a connection");
  uint64_t at = now(), count = 0;
  for (size_t done = 0; done < (size_t)size;) {
    size_t piece = (size_t)size - done < answers.length ? (size_t)size - done : answers.length;
    compare(buffer + done, answers.bytes + line->receive_at, piece, line->next_in);
    done += piece;
    size_t to = line->receive_at + piece;
    while (answers.end[line->next_in] <= to) {
      count++;
      if (++line->next_in == answers.count) line->next_in = 0, to -= answers.length;
    }
    line->receive_at = to;
  }
  if (count > line->issued - line->answered) die(MISMATCH, "more answers than requests");
  if (window_from > 0 && !stopped) bytes += (uint64_t)size;
  if (count == 0) return;
  count_answers(line, count, at);
  if (rate == 0 && !stopped) issue(line, count, at), flush_line(line);
}
static int all_answered(void) {
  for (size_t i = 0; i < connections; i++)
    if (all[i].answered < all[i].issued) return 0;
  return 1;
}
// Or until something has come. Finer than the milliseconds of epoll_wait.
static void sleep_until(uint64_t moment) {
  uint64_t at = now();
  if (moment <= at) return;
  struct pollfd poll_fd = {.fd = epoll, .events = POLLIN};
  struct timespec rest = {.tv_sec = (time_t)((moment - at) / 1000000000), .tv_nsec = (long)((moment - at) % 1000000000)};
  ppoll(&poll_fd, 1, &rest, NULL);
}
static void run_until(uint64_t end) {
  struct epoll_event events[EVENTS];
  for (uint64_t at; (at = now()) < end;) {
    if (stopped ? all_answered() : frames >= most) return;
    // An open loop never sleeps unless it was asked to: a frame has to leave when it is due.
    if (rate > 0 && !stopped) issue_due(at);
    if (rate > 0 && !stopped && sleeps) sleep_until(due(scheduled) < end ? due(scheduled) : end);
    int wait = rate > 0 && !stopped ? 0 : (int)((end - at) / 1000000) + 1;
    int count = epoll_wait(epoll, events, EVENTS, wait);
    for (int i = 0; i < count; i++) {
      Line *line = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) flush_line(line);
      if (events[i].events & ~(uint32_t)EPOLLOUT) receive(line);
    }
  }
}

static uint64_t nanos(double s) { return (uint64_t)(s * 1e9); }
static void report(double elapsed, double cpu) {
  printf("{\"frames\":%llu,\"seconds\":%.6f,\"bytes\":%llu,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f,"
         "\"load\":%.4f}\n",
         (unsigned long long)frames, elapsed, (unsigned long long)bytes, micros(.5), micros(.99), micros(.999),
         (double)longest / 1e3, cpu / elapsed);
}

static void wait_for(int fd, short event) {
  struct pollfd poll_fd = {.fd = fd, .events = event};
  if (poll(&poll_fd, 1, PATIENCE * 1000) != 1) die(UNANSWERED, "no answer within %d s", PATIENCE);
}

static void echo_once(int fd) {
  wait_for(fd, POLLOUT);
  connected(fd);
  for (size_t sent = 0; sent < requests.end[0];) {
    wait_for(fd, POLLOUT);
    ssize_t size = send(fd, requests.bytes + sent, requests.end[0] - sent, MSG_NOSIGNAL);
    if (size < 0) die(UNANSWERED, "send: %s", strerror(errno));
    sent += (size_t)size;
  }
  for (size_t got = 0; got < answers.end[0];) {
    wait_for(fd, POLLIN);
    ssize_t size = recv(fd, buffer, answers.end[0] - got, 0);
    if (size <= 0) die(UNANSWERED, "the server closed a connection");
    compare(buffer, answers.bytes + got, (size_t)size, 0);
    got += (size_t)size;
  }
}
static void echo(void) {
  all = need(connections * sizeof *all);
  for (size_t i = 0; i < connections; i++) {
    all[i] = (Line){.fd = dial(), .index = i, .batches = need((size_t)depth * sizeof(Batch))};
    // A server gives a connection so long for its first frame, and the last of 10,000 opens late.
    if (rate > 0) echo_once(all[i].fd);
    wait_for(all[i].fd, POLLOUT);
    connected(all[i].fd);
    watch(EPOLL_CTL_ADD, all[i].fd, EPOLLIN, &all[i]);
  }
  opened = now();
  for (size_t i = 0; i < connections && rate == 0; i++) issue(&all[i], (uint64_t)depth, now()), flush_line(&all[i]);
  run_until(opened + nanos(warmup));
  say("MEASURE");
  double cpu = cpu_seconds();
  window_from = now();
  uint64_t end = window_from + nanos(seconds);
  run_until(end);
  // All that was due in the window is asked, and answered or waited for.
  if (rate > 0) issue_due(end - 1);
  double elapsed = rate > 0 ? seconds : (double)(now() - window_from) / 1e9;
  cpu = cpu_seconds() - cpu;
  stopped = 1;
  say("STOP");
  run_until(now() + nanos(PATIENCE));
  if (!all_answered()) die(UNANSWERED, "requests without an answer after %d s", PATIENCE);
  report(elapsed, cpu);
}

static void idle(void) {
  for (size_t i = 0; i < connections; i++) echo_once(dial());
  say("READY");
  char byte;
  while (read(0, &byte, 1) > 0) {}
  printf("{\"connections\":%zu}\n", connections);
}

typedef struct {
  int fd, asked;
  size_t got;
  uint64_t from;
} Visit;
static void visit(Visit *it) {
  *it = (Visit){.fd = dial(), .from = now()};
  watch(EPOLL_CTL_ADD, it->fd, EPOLLOUT, it);
}
static void advance(Visit *it) {
  if (!it->asked) {
    connected(it->fd);
    if (send(it->fd, requests.bytes, requests.end[0], MSG_NOSIGNAL) != (ssize_t)requests.end[0]) die(SYSTEM, "send: cut");
    it->asked = 1;
    watch(EPOLL_CTL_MOD, it->fd, EPOLLIN, it);
    return;
  }
  ssize_t size = recv(it->fd, buffer, READ, 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) die(UNANSWERED, "the server closed a connection");
  if (it->got + (size_t)size > answers.end[0]) die(MISMATCH, "more bytes than were asked for");
  compare(buffer, answers.bytes + it->got, (size_t)size, 0);
  it->got += (size_t)size;
  if (it->got < answers.end[0]) return;
  close(it->fd);
  if (window_from > 0) frames++, record(now() - it->from, 1);
  visit(it);
}
static void visits_until(uint64_t end) {
  struct epoll_event events[EVENTS];
  for (uint64_t at; (at = now()) < end;) {
    int count = epoll_wait(epoll, events, EVENTS, (int)((end - at) / 1000000) + 1);
    for (int i = 0; i < count; i++) advance(events[i].data.ptr);
  }
}
static void visits(void) {
  Visit *at_once = need(connections * sizeof *at_once);
  for (size_t i = 0; i < connections; i++) visit(&at_once[i]);
  visits_until(now() + nanos(warmup));
  say("MEASURE");
  double cpu = cpu_seconds();
  window_from = now();
  visits_until(window_from + nanos(seconds));
  double elapsed = (double)(now() - window_from) / 1e9;
  say("STOP");
  if (frames == 0) die(UNANSWERED, "no answer in the whole window");
  report(elapsed, cpu_seconds() - cpu);
}

int main(int count, char **options) {
  const char *exchange = NULL, *framing = "u32be";
  size_t size = 16;
  for (int option; (option = getopt(count, options, "m:p:c:d:s:f:x:t:n:w:r:i")) != -1;) switch (option) {
      case 'm': mode = optarg; break;
      case 'p': port = atoi(optarg); break;
      case 'c': connections = (size_t)atol(optarg); break;
      case 'd': depth = atoi(optarg); break;
      case 's': size = (size_t)atol(optarg); break;
      case 'f': framing = optarg; break;
      case 'x': exchange = optarg; break;
      case 't': seconds = atof(optarg); break;
      case 'n': most = strtoull(optarg, NULL, 10); break;
      case 'w': warmup = atof(optarg); break;
      case 'r': rate = atof(optarg); break;
      case 'i': sleeps = 1; break;
      default: return USAGE;
    }
  if (port <= 0 || connections == 0 || depth <= 0 || seconds <= 0 || most == 0 || warmup < 0 || rate < 0) {
    die(USAGE, "-p has to be a port; -c, -d, -t and -n more than 0; -w and -r not less");
  }
  if (strcmp(framing, "u32be") != 0 && strcmp(framing, "lines") != 0) die(USAGE, "-f is u32be or lines");
  if (exchange != NULL) load(exchange);
  else generate(size, strcmp(framing, "lines") == 0);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  buffer = need(READ);
  check((epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0, "epoll_create1");
  if (strcmp(mode, "echo") == 0) echo();
  else if (strcmp(mode, "idle") == 0) idle();
  else if (strcmp(mode, "accept") == 0) visits();
  else die(USAGE, "-m is echo, idle or accept");
  return 0;
}
