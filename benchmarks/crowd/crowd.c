/* A crowd of Socket.IO clients in one thread: the load of signaling_connections and signaling_fanout.
 *
 * crowd PORT READY: standard input gives one connect packet per client ("40{...}"), then an empty line, then commands, each of which is
 * answered by one line of JSON:
 *
 *   arrive MS       connect everybody, evenly spread; done when each has got a packet that begins with READY after its connect packet
 *   return MS       the same for those who left, saying what they saw last: the connect packet is given a "seen" of the topic of the
 *                   numbered messages
 *   leave N MS      the first N of them cut their connections, evenly spread over so long
 *   count           forget what was counted
 *   report          what came since: messages (those with "at"), their age in ms, connections that ended, CPU seconds of this process
 *   wait N MS       until so many messages have come since, or so long
 *   freeze N        the first N read no more
 *   numbers N ROOMS did each client get exactly once, in order, each of the messages numbered 1 ... N that went to its room, and no other?
 *   ask N FLOOD     the first client asks for something N times, every 5 ms; the second sends FLOOD requests at once meanwhile
 *
 * A message holds "at":T, the monotonic clock in ns when it was sent, and may hold "n":NUMBER (from 1), then with "topic" and "seq".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AWAY, CONNECTING, UPGRADING, OPENING, SIGNING, READY };
enum { LARGEST = 1 << 20, BINS = 4096, MOST_NUMBERS = 1 << 16 };

struct client {
    int fd, state, frozen;
    char *hello;
    char *held;
    size_t length, room;
    char topic[64];
    long long seq;
    uint8_t *got; /* how often each number came */
    int last, disorder;
};

static struct client *clients;
static int count_clients, port, poll_fd, ready, ended;
static const char *ready_prefix;
static uint64_t messages, octets, bins[BINS], oldest_ns, asked_ns;
static int asked, answered;

static uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

/* Age in bins of 20 us up to 20 ms, then of 1 ms. */
static int bin_of(uint64_t ns) {
    uint64_t us = ns / 1000;
    if (us < 20000) return (int)(us / 20);
    uint64_t bin = 1000 + (us - 20000) / 1000;
    return bin < BINS ? (int)bin : BINS - 1;
}

static double bin_ms(int bin) {
    return bin < 1000 ? (bin + 1) * 0.02 : 20.0 + (bin - 999);
}

static double percentile(double part) {
    uint64_t wanted = (uint64_t)(part * (double)messages), seen = 0;
    for (int bin = 0; bin < BINS; bin++) {
        seen += bins[bin];
        if (seen > wanted) return bin_ms(bin);
    }
    return messages ? bin_ms(BINS - 1) : 0;
}

static void lose(struct client *client) {
    if (client->state == AWAY) return;
    if (client->state == READY) ready--;
    close(client->fd);
    client->state = AWAY;
    client->length = 0;
}

static void say(struct client *client, const char *text) {
    size_t size = strlen(text), head = size < 126 ? 2 : 4;
    char *frame = malloc(size + 8);
    frame[0] = (char)0x81;
    frame[1] = (char)(0x80 | (size < 126 ? size : 126));
    if (size >= 126) {
        frame[2] = (char)(size >> 8);
        frame[3] = (char)size;
    }
    memset(frame + head, 0, 4); /* a mask of zeros */
    memcpy(frame + head + 4, text, size);
    if (write(client->fd, frame, head + 4 + size) != (ssize_t)(head + 4 + size)) lose(client), ended++;
    free(frame);
}

static void begin(struct client *client) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->fd < 0) perror("socket"), exit(1);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(client->fd, (struct sockaddr *)&there, sizeof there) < 0 && errno != EINPROGRESS) perror("connect"), exit(1);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, client->fd, &event);
    client->state = CONNECTING;
}

static void upgrade(struct client *client) {
    char request[256];
    int size = snprintf(request, sizeof request,
                        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, client->fd, &event);
    if (write(client->fd, request, (size_t)size) != size) lose(client), ended++;
    else client->state = UPGRADING;
}

static void sign_in(struct client *client) {
    char hello[2048];
    if (client->seq && client->hello[2] == '{')
        snprintf(hello, sizeof hello, "%.*s,\"seen\":{\"%s\":%lld}}", (int)strlen(client->hello) - 1, client->hello, client->topic, client->seq);
    else
        snprintf(hello, sizeof hello, "%s", client->hello);
    client->state = SIGNING;
    say(client, hello);
}

static void note(uint64_t age, size_t size) {
    messages++;
    octets += size;
    bins[bin_of(age)]++;
    if (age > oldest_ns) oldest_ns = age;
}

static void hear_message(struct client *client, const char *text, size_t size) {
    const char *at = memmem(text, size, "\"at\":", 5);
    if (!at) return;
    note(now_ns() - strtoull(at + 5, NULL, 10), size);
    const char *number = memmem(text, size, "\"n\":", 4);
    if (!number) return;
    int n = atoi(number + 4);
    if (n < 1 || n >= MOST_NUMBERS) return;
    if (!client->got) client->got = calloc(MOST_NUMBERS, 1);
    if (client->got[n] < 255) client->got[n]++;
    if (n <= client->last) client->disorder++;
    client->last = n;
    const char *topic = memmem(text, size, "\"topic\":\"", 9), *seq = memmem(text, size, "\"seq\":", 6);
    if (topic && seq) {
        size_t length = strcspn(topic + 9, "\"");
        snprintf(client->topic, sizeof client->topic, "%.*s", (int)length, topic + 9);
        client->seq = strtoll(seq + 6, NULL, 10);
    }
}

static void hear(struct client *client, const char *text, size_t size) {
    if (size == 1 && text[0] == '2') say(client, "3");
    else if (client->state == OPENING && text[0] == '0') sign_in(client);
    else if (client == clients && size > 2 && !memcmp(text, "43", 2)) answered++, note(now_ns() - asked_ns, size);
    else {
        if (client->state == SIGNING && size >= strlen(ready_prefix) && !memcmp(text, ready_prefix, strlen(ready_prefix))) {
            client->state = READY;
            ready++;
        }
        hear_message(client, text, size);
    }
}

/* How many octets of the buffer were used. */
static size_t eat(struct client *client) {
    size_t at = 0;
    if (client->state == UPGRADING) {
        char *end = memmem(client->held, client->length, "\r\n\r\n", 4);
        if (!end) return 0;
        if (memcmp(client->held, "HTTP/1.1 101", 12)) {
            fprintf(stderr, "%.200s\n", client->held);
            lose(client), ended++;
            return 0;
        }
        at = (size_t)(end - client->held) + 4;
        client->state = OPENING;
    }
    while (client->state != AWAY && client->length >= at + 2) {
        const uint8_t *frame = (const uint8_t *)client->held + at;
        size_t size = frame[1] & 0x7f, head = 2;
        if (size == 126) {
            if (client->length < at + 4) break;
            size = (size_t)frame[2] << 8 | frame[3], head = 4;
        } else if (size == 127) {
            if (client->length < at + 10) break;
            size = 0;
            for (int place = 2; place < 10; place++) size = size << 8 | frame[place];
            head = 10;
        }
        if (size > LARGEST) exit(2);
        if (client->length < at + head + size) break;
        if ((frame[0] & 0x0f) == 1) hear(client, (const char *)frame + head, size);
        else if ((frame[0] & 0x0f) == 8) {
            lose(client), ended++;
            return 0;
        }
        at += head + size;
    }
    return client->state == AWAY ? 0 : at;
}

static void read_some(struct client *client) {
    static char block[65536];
    ssize_t size = read(client->fd, block, sizeof block);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
        lose(client), ended++;
        return;
    }
    if (client->length + (size_t)size > client->room) {
        client->room = client->length + (size_t)size + 256;
        client->held = realloc(client->held, client->room);
    }
    memcpy(client->held + client->length, block, (size_t)size);
    client->length += (size_t)size;
    size_t used = eat(client);
    if (used && used < client->length) memmove(client->held, client->held + used, client->length - used);
    client->length -= used < client->length ? used : client->length;
    if (!client->length && client->room > 4096) free(client->held), client->held = NULL, client->room = 0;
}

static int turn(int wait_ms) {
    static struct epoll_event events[512];
    int command = 0, found = epoll_wait(poll_fd, events, 512, wait_ms);
    for (int place = 0; place < found; place++) {
        struct client *client = events[place].data.ptr;
        if (!client) command = 1;
        else if (client->state == CONNECTING) upgrade(client);
        else if (client->state != AWAY) read_some(client);
    }
    return command;
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void arrive(long spread_ms) {
    uint64_t from = now_ns();
    int absent = 0, begun = 0, place = 0;
    for (int which = 0; which < count_clients; which++) absent += clients[which].state == AWAY;
    int expected = ready + absent, before = ended;
    while (ready < expected && ended == before && now_ns() - from < (uint64_t)(spread_ms + 30000) * 1000000) {
        int due = spread_ms ? (int)((now_ns() - from) / 1000 * (uint64_t)absent / ((uint64_t)spread_ms * 1000)) + 1 : absent;
        for (; begun < absent && begun < due; place++)
            if (clients[place].state == AWAY) begin(&clients[place]), begun++;
        turn(1);
    }
    printf("{\"ready\": %d, \"expected\": %d, \"took_ms\": %.1f}\n", ready, expected, (double)(now_ns() - from) / 1e6);
}

static void leave(int most, long spread_ms) {
    uint64_t from = now_ns();
    for (int which = 0; which < most && which < count_clients; which++) {
        while (spread_ms && (now_ns() - from) / 1000 < (uint64_t)which * (uint64_t)spread_ms * 1000 / (uint64_t)most) turn(1);
        lose(&clients[which]);
    }
    printf("{\"left\": %d}\n", most);
}

static void numbers(int most, int rooms) {
    long missing = 0, twice = 0, disorder = 0;
    for (int which = 0; which < count_clients; which++) {
        for (int n = 1; n <= most; n++) {
            int got = clients[which].got ? clients[which].got[n] : 0, wanted = (n - 1) % rooms == which % rooms;
            missing += got < wanted;
            twice += got > wanted;
        }
        disorder += clients[which].disorder;
    }
    printf("{\"missing\": %ld, \"twice\": %ld, \"disorder\": %ld}\n", missing, twice, disorder);
}

/* Answers are counted as messages are: by their age since the request. */
static void ask(int most, int flood) {
    static const char event[] = "42[\"call.hang_up\",{\"call_id\":\"c1\"}]";
    size_t one = sizeof event - 1 + 6, size = one * (size_t)flood, sent = 0;
    char *frames = malloc(size + 1), text[64];
    for (int place = 0; place < flood; place++) {
        char *frame = frames + one * (size_t)place;
        frame[0] = (char)0x81;
        frame[1] = (char)(0x80 | (sizeof event - 1));
        memset(frame + 2, 0, 4);
        memcpy(frame + 6, event, sizeof event - 1);
    }
    uint64_t from = now_ns();
    asked = answered = 0;
    while (answered < most && now_ns() - from < 30000000000u && clients[0].state == READY) {
        if (asked < most && asked == answered && now_ns() - from >= (uint64_t)asked * 5000000) {
            snprintf(text, sizeof text, "42%d[\"call.hang_up\",{\"call_id\":\"c1\"}]", asked++);
            asked_ns = now_ns();
            say(&clients[0], text);
        }
        if (sent < size && clients[1].state == READY) {
            ssize_t took = write(clients[1].fd, frames + sent, size - sent);
            if (took > 0) sent += (size_t)took;
        }
        turn(1);
    }
    free(frames);
}

static void freeze(int most) {
    for (int which = 0; which < most && which < count_clients; which++) {
        struct epoll_event event = {.events = 0, .data.ptr = &clients[which]};
        epoll_ctl(poll_fd, EPOLL_CTL_MOD, clients[which].fd, &event);
    }
    printf("{\"frozen\": %d}\n", most);
}

static void obey(const char *line) {
    long first = 0, second = 0;
    char word[32] = "";
    sscanf(line, "%31s %ld %ld", word, &first, &second);
    if (!strcmp(word, "arrive") || !strcmp(word, "return")) arrive(first);
    else if (!strcmp(word, "leave")) leave((int)first, second);
    else if (!strcmp(word, "numbers")) numbers((int)first, (int)second);
    else if (!strcmp(word, "freeze")) freeze((int)first);
    else if (!strcmp(word, "count")) {
        messages = octets = oldest_ns = 0, ended = 0;
        memset(bins, 0, sizeof bins);
        printf("{}\n");
    } else {
        uint64_t from = now_ns();
        if (!strcmp(word, "wait"))
            while (messages < (uint64_t)first && now_ns() - from < (uint64_t)second * 1000000) turn(1);
        if (!strcmp(word, "ask")) ask((int)first, (int)second);
        printf("{\"messages\": %lu, \"octets\": %lu, \"p50_ms\": %.2f, \"p95_ms\": %.2f, \"p99_ms\": %.2f, \"longest_ms\": %.2f, "
               "\"ended\": %d, \"there\": %d, \"cpu_s\": %.3f}\n",
               messages, octets, percentile(0.50), percentile(0.95), percentile(0.99), (double)oldest_ns / 1e6, ended, ready, cpu_s());
    }
    fflush(stdout);
}

int main(int argc, char **argv) {
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    if (argc != 3) return 2;
    port = atoi(argv[1]);
    ready_prefix = argv[2];
    setvbuf(stdin, NULL, _IONBF, 0); /* so that epoll knows of every line */
    poll_fd = epoll_create1(0);
    while ((size = getline(&line, &room, stdin)) > 1) {
        clients = realloc(clients, (size_t)(count_clients + 1) * sizeof *clients);
        line[size - 1] = 0;
        clients[count_clients++] = (struct client){.hello = strdup(line)};
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &event);
    for (;;)
        if (turn(1000)) {
            if (getline(&line, &room, stdin) <= 0) return 0;
            obey(line);
        }
}
