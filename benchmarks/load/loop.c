/* The load generator's loop: many RTP streams, one UDP socket each, sent and heard in one thread; every packet that comes is verified.

   Each stream sends one packet of its canned payloads every 20 ms (none where the payload is empty: DTX), all of them spread evenly over
   the 20 ms. What a stream hears is checked: SRTP's authentication, sequence, and, where it is what another stream said (`from` >= 0),
   byte by byte against what that one sent, which also tells how long it took: departures are taken right before the system call,
   arrivals are the kernel's stamps. Forwarding keeps the distance between sequence numbers, so one packet whose payload was sent only
   once lately tells it for all others.

   Python (loop.py) mirrors the two structs; it raises `count` and writes `wish` while the loop runs, everything else is the loop's. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RING 512
#define BINS 100000
#define BIN_S 1e-5
#define MOST 1500
#define PART_S 0.0005
#define TICK_S 0.02
#define LATE_S 0.02
#define BATCH 4

typedef int (*srtp_call)(void *context, void *packet, int *length);
typedef void (*other_call)(int stream, const uint8_t *datagram, int length);

struct stream {
    int32_t fd, from, frames, at_frame;
    void *tx, *rx;
    const uint8_t *payloads;
    const uint32_t *ends;
    uint8_t *tape; /* what it hears, when somebody wants to listen: double arrival, uint16 length, packet */
    double *departures; /* when each packet left, of those that are listened to */
    uint64_t tape_bytes, taped, most_departures;
    uint32_t ssrc, timestamp, step, clock_hz;
    int32_t payload_type, muted;
    /* counted since the window opened */
    uint64_t frames_said, sent, unsent, heard, matched, lost, altered, disordered, forged, reports, others, late;
    double longest_gap_s;
    /* how it stands */
    uint64_t number, from_number, to_number;
    int64_t place, offset, lowest_us;
    uint64_t seen;
    uint32_t heard_ssrc, stamp;
    int32_t begun, locked;
    double heard_s;
    struct { int64_t number; int32_t frame; double at_s; } ring[RING];
};

struct load {
    struct stream *streams;
    uint32_t *delays; /* BINS: of what was matched, else how far behind the fastest */
    uint32_t *lateness; /* BINS: of our own sending */
    srtp_call protect, unprotect;
    other_call other;
    volatile int32_t count, wish, state; /* wish 0 run, 1 open a window, 2 close it, 3 stop; state follows */
};

static double clock_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void count_in(uint32_t *bins, double seconds) {
    long bin = seconds <= 0 ? 0 : (long)(seconds / BIN_S);
    bins[bin < BINS ? bin : BINS - 1]++;
}

static const uint8_t *payload(const struct stream *s, int frame, int *length) {
    uint32_t begin = frame ? s->ends[frame - 1] : 0;
    *length = s->ends[frame] - begin;
    return s->payloads + begin;
}

static void say(struct load *l, struct stream *s) {
    uint8_t packet[MOST + 160];
    int frame = s->at_frame, length;
    const uint8_t *bytes = payload(s, frame, &length);
    uint32_t timestamp = s->timestamp;
    s->at_frame = (frame + 1) % s->frames;
    s->timestamp += s->step;
    s->frames_said += l->state == 1;
    if (length == 0 || length > MOST || s->muted) return;
    packet[0] = 0x80;
    packet[1] = s->payload_type | (s->number == 0 ? 0x80 : 0);
    packet[2] = s->number >> 8;
    packet[3] = s->number;
    for (int i = 0; i < 4; i++) packet[4 + i] = timestamp >> (24 - 8 * i), packet[8 + i] = s->ssrc >> (24 - 8 * i);
    memcpy(packet + 12, bytes, length);
    int size = 12 + length;
    if (s->tx && l->protect(s->tx, packet, &size)) { s->unsent++; return; }
    s->ring[s->number % RING].number = s->number;
    s->ring[s->number % RING].frame = frame;
    s->ring[s->number % RING].at_s = clock_s();
    if (s->number < s->most_departures) s->departures[s->number] = s->ring[s->number % RING].at_s;
    s->number++;
    s->sent += l->state == 1;
    if (send(s->fd, packet, size, MSG_DONTWAIT) < 0) s->unsent++;
}

/* Find the packet among the last 100 that the speaker sent; only one whose payload was sent once is believed. */
static void lock_on(struct stream *s, const struct stream *from, const uint8_t *bytes, int length) {
    int64_t found = -1, oldest = (int64_t)from->number - 100;
    if (length < 3) return;
    for (int64_t n = (int64_t)from->number - 1; n >= 0 && n >= oldest; n--) {
        int other;
        const uint8_t *sent = payload(from, from->ring[n % RING].frame, &other);
        if (other != length || memcmp(sent, bytes, length)) continue;
        if (found >= 0) return;
        found = n;
    }
    if (found >= 0) s->offset = s->place - found, s->locked = 1;
}

static void compare(struct load *l, struct stream *s, const uint8_t *bytes, int length, int64_t place, double at_s) {
    struct stream *from = &l->streams[s->from];
    if (!s->locked) {
        lock_on(s, from, bytes, length);
        if (!s->locked) return;
    }
    int64_t number = place - s->offset;
    int ring = number >= 0 ? number % RING : 0, sent;
    if (number < 0 || from->ring[ring].number != number) {
        s->altered++;
        s->locked = 0;
        return;
    }
    const uint8_t *said = payload(from, from->ring[ring].frame, &sent);
    if (sent != length || memcmp(said, bytes, length)) {
        s->altered++;
        s->locked = 0;
        return;
    }
    if ((uint64_t)number >= s->from_number && (uint64_t)number < s->to_number) {
        double took_s = at_s - from->ring[ring].at_s;
        s->matched++;
        s->late += took_s > LATE_S;
        count_in(l->delays, took_s);
    }
}

static void hear(struct load *l, int index, uint8_t *packet, int length, double at_s) {
    struct stream *s = &l->streams[index];
    if (length < 12 || packet[0] < 128 || packet[0] > 191) {
        s->others++;
        if (l->other) l->other(index, packet, length);
        return;
    }
    if (packet[1] >= 192 && packet[1] <= 223) { s->reports++; return; }
    if (s->rx && l->unprotect(s->rx, packet, &length)) { s->forged++; return; }
    int header = 12 + 4 * (packet[0] & 15);
    if (packet[0] & 16 && header + 4 <= length) header += 4 + 4 * (packet[header + 2] << 8 | packet[header + 3]);
    if (header > length || (packet[1] & 127) != s->payload_type) { s->others++; return; }
    uint16_t sequence = packet[2] << 8 | packet[3];
    uint32_t stamp = 0, ssrc = 0;
    for (int i = 0; i < 4; i++) stamp = stamp << 8 | packet[4 + i], ssrc = ssrc << 8 | packet[8 + i];
    int64_t place, behind_us;
    if (!s->begun || ssrc != s->heard_ssrc) {
        s->begun = 1, s->locked = 0, s->heard_ssrc = ssrc, s->seen = 1, s->place = place = 65536 + sequence, s->stamp = stamp;
        s->lowest_us = INT64_MAX;
    } else {
        int16_t step = sequence - (uint16_t)s->place;
        place = s->place + step;
        if (step > 0) {
            s->lost += step - 1;
            s->seen = step < 64 ? s->seen << step | 1 : 1;
            s->place = place;
        } else {
            int fresh = -step < 64 && !(s->seen >> -step & 1);
            s->disordered++;
            if (fresh) s->lost -= s->lost > 0, s->seen |= 1ull << -step;
            else return;
        }
    }
    s->heard += l->state == 1;
    if (s->heard_s > 0 && at_s - s->heard_s > s->longest_gap_s) s->longest_gap_s = at_s - s->heard_s;
    s->heard_s = at_s;
    if (s->tape && s->taped + 10 + length <= s->tape_bytes) {
        uint16_t size = length;
        memcpy(s->tape + s->taped, &at_s, 8);
        memcpy(s->tape + s->taped + 8, &size, 2);
        memcpy(s->tape + s->taped + 10, packet, length);
        s->taped += 10 + length;
    }
    if (packet[0] & 32 && length > header) length -= packet[length - 1]; /* padding */
    if (s->from >= 0) {
        compare(l, s, packet + header, length - header, place, at_s);
        return;
    }
    behind_us = (int64_t)(1e6 * (at_s - (double)(int32_t)(stamp - s->stamp) / s->clock_hz)); /* in us, of some epoch */
    if (behind_us < s->lowest_us) s->lowest_us = behind_us;
    double behind_s = 1e-6 * (behind_us - s->lowest_us);
    s->late += behind_s > LATE_S;
    count_in(l->delays, behind_s);
}

static double stamp_of(struct msghdr *m) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            return t.tv_sec + 1e-9 * t.tv_nsec;
        }
    return clock_s();
}

static void drain(struct load *l, int poll) {
    static __thread uint8_t room[BATCH][2048];
    static __thread char control[BATCH][64];
    struct epoll_event events[256];
    int ready = epoll_wait(poll, events, 256, 0);
    for (int e = 0; e < ready; e++) {
        struct mmsghdr messages[BATCH] = {0};
        struct iovec parts[BATCH];
        for (int i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){room[i], sizeof room[i]};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
            messages[i].msg_hdr.msg_control = control[i];
            messages[i].msg_hdr.msg_controllen = sizeof control[i];
        }
        int index = events[e].data.u32, came = recvmmsg(l->streams[index].fd, messages, BATCH, MSG_DONTWAIT, 0);
        for (int i = 0; i < came; i++) hear(l, index, room[i], messages[i].msg_len, stamp_of(&messages[i].msg_hdr));
    }
}

static void open_window(struct load *l, int count) {
    memset(l->delays, 0, BINS * sizeof *l->delays);
    memset(l->lateness, 0, BINS * sizeof *l->lateness);
    for (int i = 0; i < count; i++) {
        struct stream *s = &l->streams[i];
        s->frames_said = s->sent = s->unsent = s->heard = s->matched = s->lost = s->altered = s->disordered = 0;
        s->forged = s->reports = s->others = s->late = s->taped = 0;
        s->longest_gap_s = 0;
        s->lowest_us = INT64_MAX;
        if (s->from >= 0) s->from_number = l->streams[s->from].number, s->to_number = UINT64_MAX;
    }
}

static void close_window(struct load *l, int count) {
    for (int i = 0; i < count; i++)
        if (l->streams[i].from >= 0) l->streams[i].to_number = l->streams[l->streams[i].from].number;
}

/* Until wish is 3. Returns 0, or errno. */
int load_run(struct load *l) {
    int poll = epoll_create1(EPOLL_CLOEXEC), count = 0;
    if (poll < 0) return errno;
    double begin_s = clock_s();
    while (l->wish != 3) {
        int now = l->count;
        for (; count < now; count++) {
            struct epoll_event event = {.events = EPOLLIN, .data.u32 = count};
            if (epoll_ctl(poll, EPOLL_CTL_ADD, l->streams[count].fd, &event)) return errno;
        }
        if (l->wish == 1 && l->state != 1) { open_window(l, count); l->state = 1; }
        if (l->wish == 2 && l->state != 2) { close_window(l, count); l->state = 2; }
        int turn = 0;
        for (double part_s = 0; part_s < TICK_S - PART_S / 2; part_s += PART_S) {
            double wait_s = begin_s + part_s - clock_s();
            if (wait_s > 0) {
                struct timespec pause = {0, (long)(1e9 * wait_s)};
                nanosleep(&pause, 0);
            }
            for (; turn < count && TICK_S * turn / count < part_s + PART_S; turn++) {
                count_in(l->lateness, clock_s() - begin_s - part_s);
                say(l, &l->streams[turn]);
            }
            drain(l, poll);
        }
        begin_s += TICK_S;
        if (clock_s() - begin_s > 0.2) begin_s = clock_s(); /* held up so long that catching up would be a flood */
    }
    close(poll);
    return 0;
}
