/*
 * A small hub for Hearth (docs/hub-protocol.md): MQTT 3.1.1 by hand over OpenSSL, POSIX, nothing else.
 *
 *   apt-get install gcc libc6-dev libssl-dev                                 as Debian calls them
 *   cc -O2 -Wall -Wextra -o hub hub.c -lssl -lcrypto
 *   hearth registry add example && hearth ca issue example --out folder      where the fleet is run
 *   ./hub localhost:8883 localhost:8884 folder                               host:port of relay and gateway
 *   hearth send example kitchen-lamp powered=1
 *
 * The folder has ca.pem, cert.pem and key.pem, and gets the boot counter, the journal of commands and the outbox. The hub has one
 * device, kitchen-lamp, and says on standard output what it does with it. Two processes: one takes commands, and writes what
 * happened to the outbox; the other sends the outbox to the gateway. They share nothing but the folder.
 *
 * To stay short it puts each event into a batch of its own, and keeps no account of earlier boots (header field "previous") nor a
 * bound on the outbox (rules 5 and 6 of the outbox): a hub for a home needs both. It speaks 3.1.1, which cannot be told a floor,
 * and does not ask for one over HTTPS ("Locked out by an old image").
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEEP_ALIVE_S = 30, PACKET_MAX = 65536, TEXT_MAX = 8192, WINDOW_MIN = 10, RESULTS = 64 };

static char hub[65], boot[40];
static unsigned generation, counter, connects;
static const char *folder;
static double started_ms;

static void die(const char *what) {
  fprintf(stderr, "hub: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* ms of the monotonic clock since this boot began */
static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000.0 + t.tv_nsec / 1e6 - started_ms;
}

/* ---- the disk: nothing counts before it is synced ---- */

static void sync_folder(void) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY);
  if (fd < 0 || fsync(fd) != 0) die(folder);
  close(fd);
}

static void path_of(char *path, size_t size, const char *name) { snprintf(path, size, "%s/%s", folder, name); }

/* Replaces a file as a whole: it is the old one or the new one after a crash. */
static void keep(const char *name, const char *text) {
  char path[512], draft[520];
  path_of(path, sizeof path, name);
  snprintf(draft, sizeof draft, "%s.draft", path);
  int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  size_t size = strlen(text);
  if (fd < 0 || write(fd, text, size) != (ssize_t)size || fsync(fd) != 0) die(draft);
  close(fd);
  if (rename(draft, path) != 0) die(path);
  sync_folder();
}

static size_t load(const char *name, char *text, size_t size) {
  char path[512];
  path_of(path, sizeof path, name);
  FILE *file = fopen(path, "r");
  size_t got = file ? fread(text, 1, size - 1, file) : 0;
  text[got] = 0;
  if (file) fclose(file);
  return got;
}

/* ---- the outbox: a file a batch, <counter>-<seq>, cut once; the header is made at each transmission ---- */

static unsigned next_seq;

static unsigned crc32c(const char *bytes, size_t size) {
  unsigned crc = ~0u;
  for (size_t i = 0; i < size; i++) {
    crc ^= (unsigned char)bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

/* Appends an event to the control stream: its line, without m. */
static void record(const char *format, ...) {
  char line[TEXT_MAX], name[64], rest[TEXT_MAX - 64];
  va_list list;
  va_start(list, format);
  vsnprintf(rest, sizeof rest, format, list);
  va_end(list);
  snprintf(line, sizeof line, "%s\n{\"m\":%.3f,%s}\n", boot, now_ms(), rest);
  snprintf(name, sizeof name, "batch-%010u-%010u", counter, next_seq++);
  keep(name, line);
}

/* ---- JSON: the value of a name of the outermost object, as it stands there ---- */

static const char *skip_value(const char *at) {
  int depth = 0;
  do {
    if (*at == '"') {
      for (at++; *at && *at != '"'; at++) if (*at == '\\' && at[1]) at++;
    } else if (*at == '{' || *at == '[') depth++;
    else if (*at == '}' || *at == ']') depth--;
    if (*at) at++;
  } while (*at && (depth > 0 || (*at != ',' && *at != '}' && *at != ']')));
  return at;
}

/* A text without its quotes; empty when it is not there or too long. Texts of this protocol's own fields hold no escapes. */
static void field(const char *json, const char *name, char *value, size_t size) {
  value[0] = 0;
  const char *at = strchr(json, '{');
  while (at && (*at == '{' || *at == ',')) {
    const char *begin = at + 1, *end_of_name = *begin == '"' ? strchr(begin + 1, '"') : NULL;
    if (!end_of_name || end_of_name[1] != ':') return;
    const char *from = end_of_name + 2, *to = skip_value(from);
    if ((size_t)(end_of_name - begin - 1) == strlen(name) && !strncmp(begin + 1, name, strlen(name))) {
      if (*from == '"') from++, to--;
      if ((size_t)(to - from) < size) memcpy(value, from, to - from), value[to - from] = 0;
      return;
    }
    at = to;
  }
}

/* ---- TLS and MQTT ---- */

struct link {
  SSL *ssl;
  int fd;
  unsigned char packet[PACKET_MAX];
  size_t size;    /* of the body of the packet that was read last */
  unsigned first; /* its first byte */
};

static SSL_CTX *context;
static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *session) {
  (void)ssl;
  SSL_SESSION_free(ticket);
  ticket = session;
  return 1;
}

static void open_tls(void) {
  char ca[512], cert[512], key[512];
  path_of(ca, sizeof ca, "ca.pem");
  path_of(cert, sizeof cert, "cert.pem");
  path_of(key, sizeof key, "key.pem");
  context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
  SSL_CTX_sess_set_new_cb(context, keep_ticket);
  if (SSL_CTX_load_verify_locations(context, ca, NULL) != 1) die(ca);
  if (SSL_CTX_use_certificate_chain_file(context, cert) != 1) die(cert);
  if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) die(key);
  /* Who this hub is, says its certificate: hearth://<fleet>/hub/<hub>/<generation> */
  GENERAL_NAMES *names = X509_get_ext_d2i(SSL_CTX_get0_certificate(context), NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    sscanf((const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier), "hearth://%*[^/]/hub/%64[^/]/%u", hub,
           &generation);
  }
  GENERAL_NAMES_free(names);
  if (!generation) die("cert.pem names no hub");
}

static void hang_up(struct link *link) {
  if (link->ssl) SSL_free(link->ssl);
  if (link->fd >= 0) close(link->fd);
  link->ssl = NULL;
  link->fd = -1;
}

static int dial(struct link *link, const char *address) {
  char host[256];
  const char *colon = strrchr(address, ':');
  snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  if (getaddrinfo(host, colon + 1, &hints, &found) != 0) return 0;
  for (struct addrinfo *one = found; one && link->fd < 0; one = one->ai_next) {
    link->fd = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
    /* For connect() and each write; and for each read, since in a storm the handshake waits for its turn. */
    struct timeval limit = {.tv_sec = 10}, patience = {.tv_sec = 20};
    setsockopt(link->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(link->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(link->fd, one->ai_addr, one->ai_addrlen) != 0) close(link->fd), link->fd = -1;
  }
  freeaddrinfo(found);
  if (link->fd < 0) return 0;
  setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  link->ssl = SSL_new(context);
  SSL_set_fd(link->ssl, link->fd);
  SSL_set_tlsext_host_name(link->ssl, host);
  SSL_set1_host(link->ssl, host);
  SSL_set_alpn_protos(link->ssl, (const unsigned char *)"\4mqtt", 5);
  if (ticket) SSL_set_session(link->ssl, ticket);
  return SSL_connect(link->ssl) == 1;
}

static unsigned char *put_text(unsigned char *at, const char *text) {
  size_t size = strlen(text);
  *at++ = size >> 8, *at++ = size & 0xff;
  memcpy(at, text, size);
  return at + size;
}

static int send_packet(struct link *link, unsigned first, const unsigned char *body, size_t size) {
  static unsigned char bytes[PACKET_MAX + 8];
  unsigned char *at = bytes;
  *at++ = first;
  size_t left = size;
  do *at++ = (left & 0x7f) | (left > 0x7f ? 0x80 : 0);
  while (left >>= 7);
  memcpy(at, body, size);
  return SSL_write(link->ssl, bytes, at + size - bytes) > 0;
}

static int send_publish(struct link *link, const char *topic, const char *payload, unsigned id) {
  static unsigned char body[PACKET_MAX];
  unsigned char *at = put_text(body, topic);
  if (id) *at++ = id >> 8, *at++ = id & 0xff;
  size_t size = strlen(payload);
  if (at + size > body + sizeof body) return 0;
  memcpy(at, payload, size);
  return send_packet(link, id ? 0x32 : 0x30, body, at + size - body);
}

static int read_all(struct link *link, unsigned char *bytes, size_t size) {
  for (size_t got = 0; got < size;) {
    int more = SSL_read(link->ssl, bytes + got, size - got);
    if (more <= 0) return 0;
    got += more;
  }
  return 1;
}

/* 1: a packet was read; 0: nothing came in time; -1: the connection is lost. */
static int read_packet(struct link *link, int wait_ms) {
  struct pollfd one = {.fd = link->fd, .events = POLLIN};
  if (!SSL_pending(link->ssl) && poll(&one, 1, wait_ms) <= 0) return 0;
  unsigned char byte = 0;
  if (!read_all(link, &byte, 1)) return -1;
  link->first = byte;
  link->size = 0;
  for (int shift = 0; shift < 28; shift += 7) {
    if (!read_all(link, &byte, 1)) return -1;
    link->size |= (size_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) break;
  }
  if (link->size >= sizeof link->packet || !read_all(link, link->packet, link->size)) return -1;
  link->packet[link->size] = 0;
  return 1;
}

/* Connects in a new epoch and waits for CONNACK. The number of the connection is counted before it is used. */
static int connect_mqtt(struct link *link, const char *address, const char *name) {
  unsigned char body[256] = {0, 4, 'M', 'Q', 'T', 'T', 4, 0x82, 0, KEEP_ALIVE_S};
  char epoch[40];
  snprintf(epoch, sizeof epoch, "%u.%u.%u", generation, counter, ++connects);
  unsigned char *at = put_text(put_text(body + 10, hub), epoch);
  if (!dial(link, address) || !send_packet(link, 0x10, body, at - body)) return 0;
  if (read_packet(link, 10000) != 1 || link->first != 0x20 || link->packet[1] != 0) {
    fprintf(stderr, "hub: the %s refuses %s as %s\n", name, hub, epoch);
    return 0;
  }
  fprintf(stderr, "hub: connected to the %s as %s\n", name, epoch);
  return 1;
}

/* Waits after the n-th failure in a row: full jitter, and only a session of a minute clears the count. */
static void back_off(int *failures, double session_ms) {
  *failures = session_ms >= 60000 ? 1 : *failures + 1;
  unsigned chance;
  RAND_bytes((unsigned char *)&chance, sizeof chance);
  double ceiling = 500.0 * (1u << (*failures > 7 ? 6 : *failures - 1));
  double wait_ms = (ceiling > 20000 ? 20000 : ceiling) * (chance / 4294967296.0);
  struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = (long)(wait_ms * 1e6) % 1000000000};
  nanosleep(&wait, NULL);
}

/* Sends PINGREQ when nothing came for half a keep-alive. 0 when that was not answered either. */
static int ping(struct link *link, int *waits) {
  if ((*waits)++) return 0;
  return send_packet(link, 0xc0, NULL, 0);
}

/* ---- telemetry: the oldest batch, until it is acknowledged ---- */

static int oldest_batch(char *name, size_t size) {
  DIR *all = opendir(folder);
  struct dirent *one;
  name[0] = 0;
  while (all && (one = readdir(all))) {
    if (strncmp(one->d_name, "batch-", 6) || strstr(one->d_name, ".draft")) continue;
    if (!name[0] || strcmp(one->d_name, name) < 0) snprintf(name, size, "%s", one->d_name);
  }
  if (all) closedir(all);
  return name[0] != 0;
}

/* The header as of now, and the line as it was cut. An earlier boot's clock is gone: its batches go without "now". */
static void make_batch(const char *name, char *batch, size_t size) {
  char text[TEXT_MAX], now[48] = "";
  unsigned seq = strtoul(name + 17, NULL, 10);
  load(name, text, sizeof text);
  char *line = strchr(text, '\n');
  if (!line) die(name);
  *line++ = 0;
  if (!strcmp(text, boot)) snprintf(now, sizeof now, "\"now\":%.3f,", now_ms());
  snprintf(batch, size,
           "{\"hearth\":1,\"boot\":\"%s\",\"stream\":\"control\",\"first\":%u,\"count\":1,\"next\":%u,\"acked\":%u,%s"
           "\"wall\":0,\"firmware\":\"c-1.0\",\"agent\":\"hub.c\",\"dropped\":[],\"crc\":\"%08x\",\"previous\":[]}\n%s",
           text, seq, seq + 1, seq, now, crc32c(line, strlen(line)), line);
}

static void ship(const char *gateway, pid_t parent) {
  static char batch[3 * TEXT_MAX];
  char topic[128], name[256], path[512];
  int failures = 0;
  unsigned id = 0;
  snprintf(topic, sizeof topic, "h/%s/telemetry", hub);
  while (getppid() == parent) {
    struct link link = {.fd = -1};
    double begun_ms = now_ms();
    int waits = 0, good = connect_mqtt(&link, gateway, "gateway");
    while (good && getppid() == parent) {
      if (oldest_batch(name, sizeof name)) {
        make_batch(name, batch, sizeof batch);
        id = id % 65535 + 1;
        good = send_publish(&link, topic, batch, id);
        /* No answer means: send it again, on a new connection. A PUBACK means that it is on a disk. */
        int got = 0;
        while (good && !got) {
          good = read_packet(&link, 30000) == 1;
          got = good && link.first == 0x40 && (unsigned)(link.packet[0] << 8 | link.packet[1]) == id;
        }
        if (got) {
          path_of(path, sizeof path, name);
          unlink(path);
          sync_folder();
        }
        continue;
      }
      int came = read_packet(&link, 200);
      if (came == 1) waits = 0;
      else if (came < 0) good = 0;
      else if (++waits % (KEEP_ALIVE_S * 5 / 2) == 0) good = waits < KEEP_ALIVE_S * 5 && send_packet(&link, 0xc0, NULL, 0);
    }
    hang_up(&link);
    back_off(&failures, now_ms() - begun_ms);
  }
}

/* ---- commands ---- */

/* The smallest (own clock - stamp) of each minute of this session that still counts. */
static struct { long minute; double least_ms; } minutes[WINDOW_MIN + 1];
static double asked_ms; /* when SUBSCRIBE was sent; below 0 once the first stamp has come */

/* Another relay has another clock. */
static void begin_stamps(void) {
  for (int i = 0; i <= WINDOW_MIN; i++) minutes[i].minute = -1;
  asked_ms = now_ms();
}

/* How much longer than the luckiest message of the last ten minutes this one was on its way. */
static double lain_ms(double stamp) {
  double at = now_ms(), least = at - stamp;
  /* The first was made after SUBSCRIBE was sent, and may have lain on its way ever since. */
  if (asked_ms >= 0) least = asked_ms - stamp, asked_ms = -1;
  long minute = at / 60000, slot = minute % (WINDOW_MIN + 1);
  if (minutes[slot].minute != minute || least < minutes[slot].least_ms)
    minutes[slot].minute = minute, minutes[slot].least_ms = least;
  for (int i = 0; i <= WINDOW_MIN; i++)
    if (minutes[i].minute >= 0 && minute - minutes[i].minute <= WINDOW_MIN && minutes[i].least_ms < least)
      least = minutes[i].least_ms;
  return at - stamp - least;
}

struct command { char id[65], hash[17], device[65], set[4096], issued[32], epoch[40]; };

/* What ended a command, until the relay's PUBACK: it is told again after each new connection. The packet id is its place + 1. */
static char unheard[RESULTS][1024];

/* Without a link it is told once there is one. With no place left it goes once, at QoS 0: the control stream has it too. */
static void result(struct link *link, const struct command *it, const char *stage, double ms, const char *reason) {
  char text[1024], topic[128], because[300] = "";
  unsigned id = 0;
  if (reason) snprintf(because, sizeof because, ",\"reason\":\"%s\"", reason);
  snprintf(topic, sizeof topic, "h/%s/result", hub);
  snprintf(text, sizeof text, "{\"hearth\":1,\"type\":\"result\",\"command\":\"%s\",\"stage\":\"%s\",\"ms\":%.3f,\"issued\":%s%s}",
           it->id, stage, ms, it->issued, because);
  for (unsigned i = 0; strcmp(stage, "received") && i < RESULTS && !id; i++)
    if (!unheard[i][0]) memcpy(unheard[i], text, sizeof text), id = i + 1;
  if (link) send_publish(link, topic, text, id);
}

static int tell_again(struct link *link) {
  char topic[128];
  snprintf(topic, sizeof topic, "h/%s/result", hub);
  for (unsigned i = 0; i < RESULTS; i++)
    if (unheard[i][0] && !send_publish(link, topic, unheard[i], i + 1)) return 0;
  return 1;
}

/* A journal entry is a file: hash, outcome, and what a result after a crash needs. Files of more than a day ago may be removed. */
static void journal(const struct command *it, const char *outcome) {
  char name[80], text[192];
  snprintf(name, sizeof name, "command-%s", it->id);
  snprintf(text, sizeof text, "%s %s %s %s\n", it->hash, outcome, it->issued, it->device);
  keep(name, text);
}

/* To the control stream, then to the journal, then to the relay: a crash in between tells it twice, never not at all. */
static void stage(struct link *link, const struct command *it, const char *name, double ms, const char *reason) {
  record("\"kind\":\"command\",\"command\":\"%s\",\"issued\":%s,\"stage\":\"%s\",\"ms\":%.3f,\"device\":\"%s\"%s%s%s", it->id,
         it->issued, name, ms, it->device, reason ? ",\"reason\":\"" : "", reason ? reason : "", reason ? "\"" : "");
  if (strcmp(name, "received")) journal(it, name);
  result(link, it, name, ms, reason);
}

/* What was begun and has no outcome. It is told at the start: its command may never come again. */
static void tell_interrupted(void) {
  DIR *all = opendir(folder);
  struct dirent *one;
  char text[192];
  while (all && (one = readdir(all))) {
    struct command it = {0};
    if (sscanf(one->d_name, "command-%64[0-9a-f]", it.id) != 1 || strstr(one->d_name, ".draft")) continue;
    load(one->d_name, text, sizeof text);
    if (sscanf(text, "%16s begun %31s %64s", it.hash, it.issued, it.device) != 3) continue;
    stage(NULL, &it, "interrupted", 0, "the hub stopped while it carried the command out");
  }
  if (all) closedir(all);
}

/* An epoch is compared number by number. */
static int is_older(const char *epoch) {
  unsigned g = 0, b = 0, c = 0;
  if (sscanf(epoch, "%u.%u.%u", &g, &b, &c) != 3) return 1;
  if (g != generation) return g < generation;
  return b != counter ? b < counter : c < connects;
}

static int is_epoch(const char *text) {
  int size = 0;
  return sscanf(text, "%*9[0-9].%*9[0-9].%*9[0-9]%n", &size) == 0 && size > 0 && !text[size];
}

static int is_number(const char *text) {
  size_t size = strspn(text, "-+.0123456789eE");
  return size > 0 && !text[size];
}

static int is_id(const char *text, size_t most) {
  size_t size = strspn(text, "0123456789abcdef");
  return size > 0 && size <= most && !text[size];
}

static void command(struct link *link, const char *json) {
  struct command it;
  char stamp[32], left_ms[32], text[64], hash[17] = "", outcome[32] = "", name[80];
  field(json, "command", it.id, sizeof it.id);
  field(json, "hash", it.hash, sizeof it.hash);
  field(json, "device", it.device, sizeof it.device);
  field(json, "set", it.set, sizeof it.set);
  field(json, "issued", it.issued, sizeof it.issued);
  field(json, "epoch", it.epoch, sizeof it.epoch);
  field(json, "stamp", stamp, sizeof stamp);
  field(json, "left_ms", left_ms, sizeof left_ms);
  /* What is no message of this protocol is let be. */
  if (!is_id(it.id, 64) || !is_id(it.hash, 16) || !is_epoch(it.epoch)) return;
  if (!is_number(it.issued) || !is_number(stamp) || !is_number(left_ms)) return;
  /* What an older session's relay stamped says nothing of this one's clock. */
  double lain = is_older(it.epoch) ? 0 : lain_ms(atof(stamp)), received_ms = now_ms();
  double left = atof(left_ms) - lain;

  snprintf(name, sizeof name, "command-%s", it.id);
  if (load(name, text, sizeof text) && sscanf(text, "%16s %31s", hash, outcome) == 2) {
    if (strcmp(hash, it.hash)) result(link, &it, "rejected", 0, "this id was used for another command");
    else result(link, &it, outcome, 0, NULL);
    return;
  }
  if (is_older(it.epoch)) {
    stage(link, &it, "rejected", 0, "it was meant for an earlier session");
    return;
  }
  if (left <= 0) {
    stage(link, &it, "expired", 0, "its time ran out on the way; nothing was done");
    return;
  }
  stage(link, &it, "received", 0, NULL);
  if (strcmp(it.device, "kitchen-lamp")) {
    stage(link, &it, "rejected", now_ms() - received_ms, "there is no such device");
    return;
  }
  /* After a crash from here on the outcome is unknown. The disk may have taken its time: look at the clock once more. */
  journal(&it, "begun");
  if (now_ms() - received_ms >= left) {
    stage(link, &it, "expired", now_ms() - received_ms, "its time ran out while it was written down; nothing was done");
    return;
  }
  printf("%s %s\n", it.device, it.set);
  fflush(stdout);
  stage(link, &it, "executed", now_ms() - received_ms, NULL);
}

static void obey(const char *relay) {
  int failures = 0;
  char topic[128], kind[16], stamp[32];
  snprintf(topic, sizeof topic, "h/%s/command", hub);
  for (;;) {
    struct link link = {.fd = -1};
    double begun_ms = now_ms();
    int waits = 0, good = connect_mqtt(&link, relay, "relay");
    if (good) {
      unsigned char body[160] = {0, RESULTS + 1}, *at = put_text(body + 2, topic);
      *at++ = 0;
      begin_stamps();
      good = send_packet(&link, 0x82, body, at - body) && tell_again(&link);
    }
    while (good) {
      int came = read_packet(&link, KEEP_ALIVE_S * 500);
      if (came < 0) break;
      if (came == 0) {
        if (!ping(&link, &waits)) break;
        continue;
      }
      waits = 0;
      if (link.first == 0x90 && link.packet[2] != 0) break; /* the subscription was refused */
      if (link.first == 0x40) { /* PUBACK: the relay has it */
        unsigned id = link.packet[0] << 8 | link.packet[1];
        if (id > 0 && id <= RESULTS) unheard[id - 1][0] = 0;
      }
      if ((link.first & 0xf0) != 0x30) continue;
      size_t length = link.packet[0] << 8 | link.packet[1];
      if (length + 2 > link.size) break;
      const char *json = (const char *)link.packet + 2 + length;
      field(json, "type", kind, sizeof kind);
      if (!strcmp(kind, "command")) command(&link, json);
      else if (!strcmp(kind, "clock")) {
        field(json, "stamp", stamp, sizeof stamp);
        if (is_number(stamp)) lain_ms(atof(stamp));
      }
    }
    hang_up(&link);
    back_off(&failures, now_ms() - begun_ms);
  }
}

int main(int count, char **words) {
  if (count != 4 || !strchr(words[1], ':') || !strchr(words[2], ':')) {
    fprintf(stderr, "usage: hub <relay host:port> <gateway host:port> <folder>\n");
    return 2;
  }
  started_ms = now_ms();
  folder = words[3];
  signal(SIGPIPE, SIG_IGN);
  open_tls();
  /* The counter is on disk before the boot is used, and only rises. */
  char text[64];
  load("counter", text, sizeof text);
  counter = strtoul(text, NULL, 10) + 1;
  snprintf(text, sizeof text, "%u\n", counter);
  keep("counter", text);
  unsigned chance;
  RAND_bytes((unsigned char *)&chance, sizeof chance);
  snprintf(boot, sizeof boot, "%u-%u-%08x", generation, counter, chance);
  record("\"kind\":\"health\",\"uptime_ms\":%.3f", now_ms());
  tell_interrupted();

  /* Each counts its own connections: the gateway and the relay both see numbers that rise. */
  pid_t parent = getpid(), child = fork();
  if (child < 0) die("fork");
  if (child > 0) obey(words[1]);
  ship(words[2], parent);
}
