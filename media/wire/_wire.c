/* The packet path without Python: see media/wire/__init__.py for what it does, media/wire/seam.py for what is asked of it.

   One thread waits for all sockets, takes what came in batches (recvmmsg), forwards what a path was told to forward (libsrtp, header
   rewriting, sendmmsg) and keeps the rest in two bounded rings for the event loop: datagrams of nobody's (STUN, DTLS) and packets. Then it
   sleeps for the rest of its interval, so that under load one wake-up serves many packets, while the first packet after a pause goes at once.

   One lock guards all state. The thread holds it while it works through one socket's batch; Python holds it inside these functions. No
   Python object is made, freed or counted by the thread: it reads pointers that only change under the lock.

   libsrtp is the one that the pylibsrtp wheel brings along: its functions come as addresses. */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rtp_core.h"

#define PACKET_BYTES 1500       /* an Ethernet frame; what is longer was cut short and is dropped */
#define TRAILER_BYTES 148       /* SRTCP's longest: index, tag, MKI */
#define BATCH 64                /* packets per recvmmsg and sendmmsg */
#define MOST_SOURCES 16
#define MOST_AUDIO_PER_S 500
#define MOST_HANDED_PER_S 5000
#define REMEMBERED 50
#define BUCKETS 8192
#define PACKET_RING_BYTES (4 << 20)
#define DATAGRAM_RING_BYTES (1 << 20)
#define CONTROL_BYTES 64
#define BEFORE_OTHERS -10
#define MOST_TAKEN 512          /* at once, so that an overload delays nobody but itself */
#define FORMER_KEY_S 5.0        /* packets under a key that was renewed may be on their way for so long */
#define STALE_S 0.5             /* audio that waited for so long is worth nothing any more */

typedef int (*srtp_call)(void *session, void *packet, int *size);
static srtp_call srtp_protect, srtp_unprotect, srtp_protect_rtcp, srtp_unprotect_rtcp;

static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;

/* The lock, from Python: never wait for it with the interpreter's. */
static int python_waits;

static void lock_for_python(void) {
    __atomic_add_fetch(&python_waits, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&state);
    __atomic_sub_fetch(&python_waits, 1, __ATOMIC_RELAXED);
}

static void enter(void) {
    if (!pthread_mutex_trylock(&state)) return;
    Py_BEGIN_ALLOW_THREADS
    lock_for_python();
    Py_END_ALLOW_THREADS
}
static void leave(void) { pthread_mutex_unlock(&state); }

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---------------------------------------------------------------- objects */

typedef struct {
    PyObject_HEAD
    sender own;
} SenderObject;

typedef struct {
    PyObject_HEAD
    reception own;
} ReceptionObject;

#define CODEC_EVENT_BYTES 256

/* What one side of a recording speaks, and what the file is told of it before its first packet. */
typedef struct {
    PyObject *codec;
    int payload_type, told;
    uint16_t size;
    uint8_t event[CODEC_EVENT_BYTES];
} channel;

typedef struct {
    PyObject_HEAD
    double start_s, from_s, newest_s, lost_s;
    uint8_t *bytes;
    size_t used, room;
    int packets, records, most_records, skipping;
    uint64_t lost, lost_told;
    channel sides[2];
} RecordsObject;

typedef struct {
    uint8_t *bytes;
    int size, room;
    double arrival_s;
} memory;

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

struct SocketObject;
struct PathObject;

typedef struct node {
    struct node *next;
    struct SocketObject *sock;
    struct PathObject *path;
    address from;
} node;

typedef struct SocketObject {
    PyObject_HEAD
    PyObject *on_datagram;
    int fd, family, slot, expects;
    uint64_t unsent, errors;
} SocketObject;

typedef struct PathObject {
    PyObject_HEAD
    PyObject *on_packet;
    int secure, open, urgent, urgent_reports;
    PyObject *sessions, *former_sessions;
    void *srtp_in, *srtp_out, *srtp_former;
    double former_until_s;
    uint8_t sources[MOST_SOURCES][4];
    int source_count;
    SocketObject *sock;
    address to;
    socklen_t to_size;
    struct PathObject *target;
    ReceptionObject *received;
    SenderObject *stream;
    RecordsObject *said, *heard;
    PyObject *copies;
    int payload_type_in, payload_type_out;
    int handed;                 /* packets that Python has not dealt with yet; while there are any, those that come follow them */
    PyObject *put, *put_many;   /* where audio goes that is to be played: by itself, or with that of others, as this row's */
    ReceptionObject *put_received;
    int put_payload_type, put_omitted, put_row;
    double heard_s, second_s, audio_second_s;
    int this_second, audio_this_second;
    memory remembered[REMEMBERED];
    int remembered_first, remembered_count;
    uint64_t early, refused, unsent;
} PathObject;

static PyTypeObject SenderType, ReceptionType, RecordsType, SocketType, PathType;

/* What is to be let go of behind the lock: it may be the last that holds it. */
static void drop_later(PyObject **waste, int *count, void *object) {
    if (object) waste[(*count)++] = object;
}

/* ---------------------------------------------------------------- what waits for Python */

enum { DATAGRAM = 1, PACKET, COPY, GONE, SKIP };

typedef struct {
    uint32_t bytes;             /* of this record, header included, a multiple of 8 */
    uint16_t kind, size;
    void *owner;
    double at_s;
    uint64_t order;             /* of arrival, over both rings */
    address from;
} record;

typedef struct {
    uint8_t *bytes;
    size_t room, head, tail, used; /* head: next to write; tail: oldest */
    uint64_t lost;
} ring;

static ring packets = {0}, datagrams = {0};
static uint64_t put_so_far;

static record *ring_at(ring *r, size_t offset) { return (record *)(r->bytes + offset); }

static void ring_drop(ring *r) {
    record *oldest = ring_at(r, r->tail);
    r->used -= oldest->bytes;
    r->tail = (r->tail + oldest->bytes) % r->room;
}

static void forget_one(const record *oldest) {
    if (oldest->kind == PACKET) ((PathObject *)oldest->owner)->handed -= 1;
}

/* The oldest give way. */
static void ring_put(ring *r, int kind, void *owner, double at_s, const address *from, const uint8_t *bytes, int size) {
    size_t needs = (sizeof(record) + (size_t)size + 7) & ~(size_t)7, rest = r->room - r->head;
    size_t takes = needs + (rest < needs ? rest : 0);
    while (r->used + takes > r->room) {
        record *oldest = ring_at(r, r->tail);
        if (oldest->kind != GONE && oldest->kind != SKIP) r->lost += 1, forget_one(oldest);
        ring_drop(r);
    }
    if (rest < needs) {         /* the records' sizes are multiples of 8, but a whole header may not fit into the rest */
        if (rest >= sizeof(record)) {
            record *skip = ring_at(r, r->head);
            skip->bytes = (uint32_t)rest, skip->kind = SKIP, skip->owner = NULL;
        } else {
            memset(r->bytes + r->head, 0, rest);
            ((uint32_t *)(r->bytes + r->head))[0] = (uint32_t)rest;
            ((uint16_t *)(r->bytes + r->head))[2] = SKIP;
        }
        r->used += rest;
        r->head = 0;
    }
    record *new = ring_at(r, r->head);
    new->bytes = (uint32_t)needs, new->kind = (uint16_t)kind, new->size = (uint16_t)size, new->owner = owner, new->at_s = at_s;
    new->order = put_so_far++;
    if (from) new->from = *from;
    memcpy((uint8_t *)new + sizeof(record), bytes, (size_t)size);
    r->used += needs;
    r->head = (r->head + needs) % r->room;
}

/* An object goes: nothing of it is handed over any more. */
static void ring_forget(ring *r, void *owner) {
    for (size_t offset = r->tail, left = r->used; left;) {
        record *at = ring_at(r, offset);
        if (at->kind != SKIP && at->owner == owner) at->kind = GONE, at->owner = NULL;
        left -= at->bytes;
        offset = (offset + at->bytes) % r->room;
    }
}

/* ---------------------------------------------------------------- what is recorded */

enum { SAID, HEARD, EVENT };    /* as media/recording/records.py says, and how they are laid out */
#define RECORD_BYTES 7
#define TENTHS_PER_S 10000
#define FIRST_ROOM 4096

/* Room for so many bytes more; 0 when there is none to be had. */
static int records_room(RecordsObject *r, size_t more) {
    if (r->used + more <= r->room) return 1;
    size_t room = r->room ? r->room : FIRST_ROOM;
    while (room < r->used + more) room *= 2;
    uint8_t *grown = realloc(r->bytes, room);
    if (!grown) return 0;
    r->bytes = grown, r->room = room;
    return 1;
}

/* There is room for it. */
static void records_write(RecordsObject *r, int kind, const uint8_t *bytes, int size, double at_s) {
    uint8_t *to = r->bytes + r->used;
    to[0] = (uint8_t)kind;
    rtp_put_u32(to + 1, (uint32_t)(int64_t)((at_s - r->start_s) * TENTHS_PER_S));
    rtp_put_u16(to + 5, (uint16_t)size);
    memcpy(to + RECORD_BYTES, bytes, (size_t)size);
    r->used += RECORD_BYTES + (size_t)size;
    r->records += 1;
    r->newest_s = at_s;
}

static int is_of(const uint8_t *packet, int size, int payload_type) { return size > 1 && (packet[1] & 0x7F) == payload_type; }

/* One packet of what this side speaks; it may have come before it was to be recorded, and waited in the kernel. */
static void records_put(RecordsObject *r, int side, const uint8_t *packet, int size, double at_s) {
    channel *c = &r->sides[side];
    if (at_s < r->from_s) return;
    if (r->records >= r->most_records || !records_room(r, 2 * RECORD_BYTES + (size_t)c->size + (size_t)size)) {
        r->lost += 1, r->lost_s = at_s;
        return;
    }
    if (!c->told) records_write(r, EVENT, c->event, c->size, at_s), c->told = 1;
    if (r->skipping & 1 << side) {
        r->skipping &= ~(1 << side);
        return;
    }
    records_write(r, side, packet, size, at_s);
    r->packets += 1;
}

/* ---------------------------------------------------------------- the wire */

typedef struct {
    int fd;
    SocketObject *sock;
    address to;
    socklen_t to_size;
    int size;
    uint8_t bytes[PACKET_BYTES + TRAILER_BYTES];
} outgoing;

#define MOST_SOCKETS 65536

static struct {
    int running, epoll, wake, stop, corked, told;
    double interval_s;
    pthread_t thread;
    SocketObject *sockets[MOST_SOCKETS];
    uint32_t generation[MOST_SOCKETS];
    int free_slot;
    node *buckets[BUCKETS];
    outgoing out[BATCH];
    int out_count;
    struct {
        uint64_t packets_in, packets_forwarded, packets_out, dropped_flood, dropped_implausible, dropped_late_at_switch;
        uint64_t handed_over, truncated, wakeups, stale;
    } counted;
} wire;

static socklen_t address_size(const address *a) { return a->any.sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4; }

static int same_address(const address *a, const address *b) {
    if (a->any.sa_family != b->any.sa_family) return 0;
    if (a->any.sa_family == AF_INET6) return a->v6.sin6_port == b->v6.sin6_port && !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16);
    return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

static unsigned bucket_of(const SocketObject *sock, const address *a) {
    uint64_t mixed = (uint64_t)(sock->slot + 1) * UINT64_C(0x9E3779B97F4A7C15);
    if (a->any.sa_family == AF_INET6) {
        uint64_t halves[2];
        memcpy(halves, &a->v6.sin6_addr, 16);
        mixed ^= halves[0] * UINT64_C(0xC2B2AE3D27D4EB4F) ^ halves[1] ^ ((uint64_t)a->v6.sin6_port << 32);
    } else {
        mixed ^= (uint64_t)a->v4.sin_addr.s_addr << 16 ^ a->v4.sin_port;
    }
    mixed ^= mixed >> 29;
    mixed *= UINT64_C(0xBF58476D1CE4E5B9);
    return (unsigned)(mixed >> 40) % BUCKETS;
}

static node **find_node(const SocketObject *sock, const address *from) {
    node **at = &wire.buckets[bucket_of(sock, from)];
    while (*at && !((*at)->sock == sock && same_address(&(*at)->from, from))) at = &(*at)->next;
    return at;
}

/* All that waits to leave, one system call for each run of packets of one socket. */
static void flush_out(void) {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    for (int first = 0; first < wire.out_count;) {
        int count = 0, fd = wire.out[first].fd;
        while (first + count < wire.out_count && wire.out[first + count].fd == fd) {
            outgoing *one = &wire.out[first + count];
            parts[count] = (struct iovec){one->bytes, (size_t)one->size};
            messages[count] = (struct mmsghdr){.msg_hdr = {.msg_name = &one->to, .msg_namelen = one->to_size, .msg_iov = &parts[count], .msg_iovlen = 1}};
            count += 1;
        }
        for (int done = 0; done < count;) {
            int sent = count - done == 1 ? (sendmsg(fd, &messages[done].msg_hdr, 0) < 0 ? -1 : 1) : sendmmsg(fd, messages + done, (unsigned)(count - done), 0);
            if (sent > 0) {
                done += sent;
            } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) { /* late media is worth nothing */
                wire.out[first].sock->unsent += (uint64_t)(count - done);
                break;
            } else if (errno != EINTR) { /* of an earlier packet, or of this one's address */
                wire.out[first].sock->errors += 1;
                done += errno != ECONNREFUSED;
            }
        }
        first += count;
    }
    wire.out_count = 0;
}

static outgoing *next_out(SocketObject *sock, const address *to, socklen_t to_size) {
    if (wire.out_count == BATCH) flush_out();
    outgoing *one = &wire.out[wire.out_count];
    one->fd = sock->fd, one->sock = sock, one->to = *to, one->to_size = to_size;
    return one;
}

/* Protects what stands in the next outgoing slot and lets it leave. */
static int leave_by(PathObject *path, outgoing *one, srtp_call protect) {
    if (path->srtp_out && protect(path->srtp_out, one->bytes, &one->size)) {
        path->unsent += 1;
        return 0;
    }
    wire.out_count += 1;
    return 1;
}

static int can_send(const PathObject *path, int size) {
    return path->open && path->sock && path->sock->fd >= 0 && path->to_size && size <= PACKET_BYTES - TRAILER_BYTES && (!path->secure || path->srtp_out);
}

static void tell_python(void) {
    if (wire.told) return;
    wire.told = 1;
    uint64_t one = 1;
    if (write(wire.wake, &one, sizeof one) < 0) wire.told = 0;
}

static void remember(PathObject *path, const uint8_t *packet, int size, double at_s) {
    int slot = (path->remembered_first + path->remembered_count) % REMEMBERED;
    if (path->remembered_count == REMEMBERED) path->remembered_first = (path->remembered_first + 1) % REMEMBERED;
    else path->remembered_count += 1;
    memory *m = &path->remembered[slot];
    if (m->room < size) {
        uint8_t *grown = realloc(m->bytes, (size_t)size + 64);
        if (!grown) { /* remembered as nothing */
            m->size = 0;
            return;
        }
        m->bytes = grown;
        m->room = size + 64;
    }
    memcpy(m->bytes, packet, (size_t)size);
    m->size = size;
    m->arrival_s = at_s;
}

/* Counts a packet of audio; 0 where it is not believed, or one of too many. Pictures of the same path have a bound of their own. */
static int counted(PathObject *path, reception *received, const rtp_header *header, double at_s) {
    wire.counted.packets_in += 1;
    if (at_s - path->audio_second_s > 1.0) path->audio_second_s = at_s, path->audio_this_second = 0;
    if (++path->audio_this_second > MOST_AUDIO_PER_S) {
        wire.counted.dropped_flood += 1;
        return 0;
    }
    if (!reception_received(received, header->sequence, header->timestamp, at_s, 1)) {
        wire.counted.dropped_implausible += 1;
        return 0;
    }
    path->heard_s = at_s;
    return 1;
}

/* 1 when the packet needs nobody else. */
static int forwarded(PathObject *path, uint8_t *packet, int size, double at_s) {
    PathObject *target = path->target;
    rtp_header header;
    if (!target || !rtp_parse(packet, size, &header)) return 0;
    if (header.payload_type != path->payload_type_in || header.ssrc != path->received->own.ssrc || !can_send(target, size)) return 0;
    if (!counted(path, &path->received->own, &header, at_s)) return 1;
    if (path->said && is_of(packet, size, path->said->sides[SAID].payload_type)) records_put(path->said, SAID, packet, size, at_s);
    if (path->copies) ring_put(&packets, COPY, path, at_s, NULL, packet, size);
    remember(path, packet, size, at_s);
    outgoing *one = next_out(target->sock, &target->to, target->to_size);
    one->size = sender_forward(&path->stream->own, packet, &header, path->payload_type_out, at_s, one->bytes);
    if (!one->size) {
        wire.counted.dropped_late_at_switch += 1;
        return 1;
    }
    wire.counted.packets_forwarded += 1;
    if (path->heard && is_of(one->bytes, one->size, path->heard->sides[HEARD].payload_type)) records_put(path->heard, HEARD, one->bytes, one->size, seconds(CLOCK_MONOTONIC));
    wire.counted.packets_out += (uint64_t)leave_by(target, one, srtp_protect);
    return 1;
}

static int known_source(PathObject *path, const uint8_t *source) {
    for (int i = path->source_count - 1; i >= 0; i--)
        if (!memcmp(path->sources[i], source, 4)) return 1;
    return 0;
}

/* Under the key, or for a while under the one before it; 0 when it is verified. */
static int unprotected(PathObject *path, srtp_call unprotect, uint8_t *packet, int *size, double at_s) {
    uint8_t kept[PACKET_BYTES];
    int kept_size = path->srtp_former && at_s < path->former_until_s ? *size : 0;
    memcpy(kept, packet, (size_t)kept_size); /* a key that does not fit may leave rubbish */
    int failed = unprotect(path->srtp_in, packet, size);
    if (!failed || !kept_size) return failed;
    memcpy(packet, kept, (size_t)kept_size);
    *size = kept_size;
    return unprotect(path->srtp_former, packet, size);
}

static void path_received(PathObject *path, uint8_t *packet, int size, double at_s) {
    int is_rtcp = rtp_is_rtcp(packet, size);
    if (path->secure) {
        if (!path->srtp_in || size < RTP_HEADER_BYTES) {
            path->early += 1;
            return;
        }
        uint8_t source[4];
        memcpy(source, packet + (is_rtcp ? 4 : 8), 4);
        int known = known_source(path, source);
        if ((!known && path->source_count >= MOST_SOURCES) || unprotected(path, is_rtcp ? srtp_unprotect_rtcp : srtp_unprotect, packet, &size, at_s)) {
            path->refused += 1;
            return;
        }
        if (!known) memcpy(path->sources[path->source_count++], source, 4);
    }
    if (at_s - path->second_s > 1.0) path->second_s = at_s, path->this_second = 0;
    path->this_second += 1;
    if (!is_rtcp && !path->handed && forwarded(path, packet, size, at_s)) return;
    if (path->this_second > MOST_HANDED_PER_S) {
        wire.counted.dropped_flood += 1;
        return;
    }
    ring_put(&packets, PACKET, path, at_s, NULL, packet, size);
    path->handed += 1;
    wire.counted.handed_over += 1;
    if (is_rtcp ? path->urgent_reports : path->urgent) tell_python();
}

static void socket_readable(SocketObject *sock, int *more) {
    static uint8_t bytes[BATCH][PACKET_BYTES];
    static uint8_t controls[BATCH][CONTROL_BYTES] __attribute__((aligned(16)));
    static address from[BATCH];
    static struct mmsghdr messages[BATCH];
    static struct iovec parts[BATCH];
    static int ready;
    for (; ready < BATCH; ready++) {
        parts[ready] = (struct iovec){bytes[ready], PACKET_BYTES};
        messages[ready].msg_hdr = (struct msghdr){&from[ready], sizeof from[ready], &parts[ready], 1, controls[ready], CONTROL_BYTES, 0};
    }
    /* Asking for one more than there are costs as much as half a packet, and a phone has one each time; whoever has several is asked for some
       more than it had of late, and again where that was not enough: what stays behind waits for a whole interval. */
    int wanted = sock->expects, count = recvmmsg(sock->fd, messages, (unsigned)wanted, MSG_DONTWAIT, NULL);
    *more = count == wanted && wanted > 1;
    sock->expects = count == wanted ? (2 * wanted < BATCH ? 2 * wanted : BATCH) : count > 1 ? (wanted + count + 1) / 2 : 1;
    if (count < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) sock->errors += 1;
        return;
    }
    double now_s = seconds(CLOCK_MONOTONIC), real_s = seconds(CLOCK_REALTIME);
    for (int i = 0; i < count && sock->fd >= 0; i++) {
        int size = (int)messages[i].msg_len;
        if (messages[i].msg_hdr.msg_flags & MSG_TRUNC) {
            wire.counted.truncated += 1;
            continue;
        }
        double at_s = now_s;
        struct cmsghdr *control = CMSG_FIRSTHDR(&messages[i].msg_hdr);
        if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec came;
            memcpy(&came, CMSG_DATA(control), sizeof came);
            double age_s = real_s - ((double)came.tv_sec + 1e-9 * (double)came.tv_nsec);
            if (age_s > 0 && age_s < 1.0) at_s -= age_s; /* a stepped clock is not believed */
        }
        node *known = size && bytes[i][0] >> 6 == 2 ? *find_node(sock, &from[i]) : NULL;
        if (known) {
            path_received(known->path, bytes[i], size, at_s);
        } else {
            ring_put(&datagrams, DATAGRAM, sock, at_s, &from[i], bytes[i], size);
            tell_python();
        }
    }
    for (int i = 0; i < count; i++) /* what the kernel wrote over */
        messages[i].msg_hdr.msg_namelen = sizeof from[i], messages[i].msg_hdr.msg_controllen = CONTROL_BYTES, messages[i].msg_hdr.msg_flags = 0;
}

static void *work(void *unused) {
    struct epoll_event events[256];
    (void)unused;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BEFORE_OTHERS); /* where that is allowed: what is late here, everybody hears */
    for (;;) {
        int count = epoll_wait(wire.epoll, events, 256, -1);
        double began_s = seconds(CLOCK_MONOTONIC);
        if (__atomic_load_n(&wire.stop, __ATOMIC_ACQUIRE)) return NULL;
        wire.counted.wakeups += 1;
        for (int i = 0; i < count; i++) {
            uint32_t slot = (uint32_t)events[i].data.u64, generation = (uint32_t)(events[i].data.u64 >> 32);
            for (int more = 1, batches = 0; more && batches < 16; batches++) {
                pthread_mutex_lock(&state);
                SocketObject *sock = slot < MOST_SOCKETS && wire.generation[slot] == generation ? wire.sockets[slot] : NULL;
                more = 0;
                if (sock) socket_readable(sock, &more);
                if (wire.out_count && (i == count - 1 || wire.out_count > BATCH / 2)) flush_out();
                pthread_mutex_unlock(&state);
                if (__atomic_load_n(&python_waits, __ATOMIC_RELAXED)) sched_yield(); /* the lock is not fair: we would take it again at once */
            }
        }
        pthread_mutex_lock(&state);
        if (!wire.corked) flush_out();
        pthread_mutex_unlock(&state);
        double rest_s = wire.interval_s - (seconds(CLOCK_MONOTONIC) - began_s);
        if (rest_s > 0) {
            struct timespec rest = {0, (long)(rest_s * 1e9)};
            nanosleep(&rest, NULL);
        }
    }
}

/* ---------------------------------------------------------------- RtpSender */

static int sender_new_own(SenderObject *self, PyObject *args, PyObject *named) {
    static char *names[] = {"ssrc", "sequence", "timestamp", "clock_rate_hz", NULL};
    unsigned long ssrc, timestamp;
    int sequence, clock_rate = 8000;
    if (!PyArg_ParseTupleAndKeywords(args, named, "kik|i", names, &ssrc, &sequence, &timestamp, &clock_rate)) return -1;
    sender_init(&self->own, (uint32_t)ssrc, (uint16_t)sequence, (uint32_t)timestamp, clock_rate);
    return 0;
}

static PyObject *built(SenderObject *self, const Py_buffer *payload, int payload_type, int marker, int event, int begin, double now_s) {
    PyObject *packet = PyBytes_FromStringAndSize(NULL, RTP_HEADER_BYTES + payload->len);
    if (!packet) return NULL;
    enter();
    sender *s = &self->own;
    s->has_source = 0;
    if (!event || begin) sender_advance(s, now_s);
    if (event && begin) s->event_timestamp = s->timestamp;
    sender_build(s, payload->buf, (int)payload->len, payload_type, event ? s->event_timestamp : s->timestamp, marker, (uint8_t *)PyBytes_AS_STRING(packet));
    leave();
    return packet;
}

static PyObject *sender_frame(SenderObject *self, PyObject *args, PyObject *named) {
    static char *names[] = {"payload", "payload_type", "now_s", "marker", NULL};
    Py_buffer payload;
    int payload_type, marker = 0;
    double now_s;
    if (!PyArg_ParseTupleAndKeywords(args, named, "y*id|$p", names, &payload, &payload_type, &now_s, &marker)) return NULL;
    PyObject *packet = built(self, &payload, payload_type, marker, 0, 0, now_s);
    PyBuffer_Release(&payload);
    return packet;
}

static PyObject *sender_event(SenderObject *self, PyObject *args, PyObject *named) {
    static char *names[] = {"payload", "payload_type", "now_s", "begin", "marker", NULL};
    Py_buffer payload;
    int payload_type, begin, marker;
    double now_s;
    if (!PyArg_ParseTupleAndKeywords(args, named, "y*id$pp", names, &payload, &payload_type, &now_s, &begin, &marker)) return NULL;
    PyObject *packet = built(self, &payload, payload_type, marker, 1, begin, now_s);
    PyBuffer_Release(&payload);
    return packet;
}

static PyObject *sender_forward_packet(SenderObject *self, PyObject *args) {
    Py_buffer packet;
    PyObject *parsed;
    int payload_type;
    double now_s;
    if (!PyArg_ParseTuple(args, "y*Oid", &packet, &parsed, &payload_type, &now_s)) return NULL;
    rtp_header header;
    PyObject *forwarded_packet = NULL;
    if (!rtp_parse(packet.buf, (int)packet.len, &header)) {
        PyErr_SetString(PyExc_ValueError, "not an RTP packet");
    } else {
        uint8_t to[65536];
        enter();
        int size = sender_forward(&self->own, packet.buf, &header, payload_type, now_s, to);
        leave();
        forwarded_packet = size ? PyBytes_FromStringAndSize((char *)to, size) : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&packet);
    return forwarded_packet;
}

static PyObject *sender_omit(SenderObject *self, PyObject *unused) {
    (void)unused;
    enter();
    self->own.sequence_offset -= 1;
    leave();
    Py_RETURN_NONE;
}

static PyObject *sender_interrupt(SenderObject *self, PyObject *unused) {
    (void)unused;
    enter();
    self->own.has_source = 0;
    leave();
    Py_RETURN_NONE;
}

static PyObject *sender_time(SenderObject *self, PyObject *now) {
    double now_s = PyFloat_AsDouble(now);
    if (now_s == -1.0 && PyErr_Occurred()) return NULL;
    enter();
    uint32_t timestamp = sender_timestamp_at(&self->own, now_s);
    leave();
    return PyLong_FromUnsignedLong(timestamp);
}

static PyObject *sender_rate(SenderObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLong(self->own.clock_rate);
}

static int sender_set_rate(SenderObject *self, PyObject *value, void *unused) {
    (void)unused;
    long rate = value ? PyLong_AsLong(value) : -1;
    if (rate <= 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a clock rate is a positive number of Hz");
        return -1;
    }
    enter();
    if (rate != self->own.clock_rate) self->own.clock_rate = (int)rate, self->own.frame = (int)rate / self->own.frames_per_s, self->own.has_source = 0;
    leave();
    return 0;
}

static PyObject *sender_frames(SenderObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLong(self->own.frames_per_s);
}

static int sender_set_frames(SenderObject *self, PyObject *value, void *unused) {
    (void)unused;
    long frames = value ? PyLong_AsLong(value) : -1;
    if (frames <= 0 || frames > self->own.clock_rate) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "frames per second are a positive number, no more than the clock's ticks");
        return -1;
    }
    enter();
    self->own.frames_per_s = (int)frames, self->own.frame = self->own.clock_rate / (int)frames;
    leave();
    return 0;
}

static PyObject *sender_started(SenderObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->own.started);
}

static PyMethodDef sender_methods[] = {
    {"frame", (PyCFunction)(void (*)(void))sender_frame, METH_VARARGS | METH_KEYWORDS, NULL},
    {"event", (PyCFunction)(void (*)(void))sender_event, METH_VARARGS | METH_KEYWORDS, NULL},
    {"forward", (PyCFunction)sender_forward_packet, METH_VARARGS, NULL},
    {"omit", (PyCFunction)sender_omit, METH_NOARGS, NULL},
    {"interrupt", (PyCFunction)sender_interrupt, METH_NOARGS, NULL},
    {"timestamp_at", (PyCFunction)sender_time, METH_O, NULL},
    {NULL, NULL, 0, NULL}};
static PyMemberDef sender_members[] = {
    {"ssrc", T_UINT, offsetof(SenderObject, own.ssrc), READONLY, NULL},
    {"next_sequence", T_USHORT, offsetof(SenderObject, own.sequence), READONLY, NULL},
    {"packets", T_LONGLONG, offsetof(SenderObject, own.packets), READONLY, NULL},
    {"octets", T_LONGLONG, offsetof(SenderObject, own.octets), READONLY, NULL},
    {"lasts_frames", T_INT, offsetof(SenderObject, own.lasts_frames), 0, NULL},
    {NULL, 0, 0, 0, NULL}};
static PyGetSetDef sender_fields[] = {
    {"clock_rate_hz", (getter)sender_rate, (setter)sender_set_rate, NULL, NULL},
    {"frames_per_s", (getter)sender_frames, (setter)sender_set_frames, NULL, NULL},
    {"started", (getter)sender_started, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}};
static PyTypeObject SenderType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "media.wire._wire.RtpSender",
    .tp_doc = "media.sender.RtpSender, compiled.",
    .tp_basicsize = sizeof(SenderObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)sender_new_own,
    .tp_methods = sender_methods,
    .tp_members = sender_members,
    .tp_getset = sender_fields,
};

/* ---------------------------------------------------------------- Reception */

static int reception_new_own(ReceptionObject *self, PyObject *args, PyObject *named) {
    static char *names[] = {"ssrc", "clock_rate", "probation", NULL};
    unsigned long ssrc;
    int clock_rate, probation = 1;
    if (!PyArg_ParseTupleAndKeywords(args, named, "ki|$i", names, &ssrc, &clock_rate, &probation)) return -1;
    reception_init(&self->own, (uint32_t)ssrc, clock_rate, probation);
    return 0;
}

static PyObject *reception_take(ReceptionObject *self, PyObject *args, PyObject *named) {
    static char *names[] = {"sequence", "timestamp", "arrival_s", "timed", NULL};
    int sequence, timed = 1;
    unsigned long timestamp;
    double arrival_s;
    if (!PyArg_ParseTupleAndKeywords(args, named, "ikd|$p", names, &sequence, &timestamp, &arrival_s, &timed)) return NULL;
    enter();
    int believed = reception_received(&self->own, (uint16_t)sequence, (uint32_t)timestamp, arrival_s, timed);
    leave();
    return PyBool_FromLong(believed);
}

static PyObject *reception_figure(ReceptionObject *self, void *which) {
    enter();
    reception own = self->own;
    leave();
    switch ((intptr_t)which) {
    case 0: return PyLong_FromLongLong(reception_highest(&own));
    case 1: return PyLong_FromLongLong(reception_expected(&own));
    default: return PyFloat_FromDouble(reception_burst_ratio(&own));
    }
}

static PyMethodDef reception_methods[] = {
    {"received", (PyCFunction)(void (*)(void))reception_take, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL}};
static PyMemberDef reception_members[] = {
    {"ssrc", T_UINT, offsetof(ReceptionObject, own.ssrc), READONLY, NULL},
    {"clock_rate", T_INT, offsetof(ReceptionObject, own.clock_rate), 0, NULL},
    {"packets", T_LONGLONG, offsetof(ReceptionObject, own.packets), READONLY, NULL},
    {"duplicates", T_LONGLONG, offsetof(ReceptionObject, own.duplicates), READONLY, NULL},
    {"reordered", T_LONGLONG, offsetof(ReceptionObject, own.reordered), READONLY, NULL},
    {"refused", T_LONGLONG, offsetof(ReceptionObject, own.refused), READONLY, NULL},
    {"restarts", T_LONGLONG, offsetof(ReceptionObject, own.restarts), READONLY, NULL},
    {"jitter_s", T_DOUBLE, offsetof(ReceptionObject, own.jitter_s), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};
static PyGetSetDef reception_fields[] = {
    {"highest_sequence", (getter)reception_figure, NULL, NULL, (void *)0},
    {"expected", (getter)reception_figure, NULL, NULL, (void *)1},
    {"burst_ratio", (getter)reception_figure, NULL, NULL, (void *)2},
    {NULL, NULL, NULL, NULL, NULL}};
static PyTypeObject ReceptionType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "media.wire._wire.Reception",
    .tp_doc = "What media.receive_stats counts, compiled.",
    .tp_basicsize = sizeof(ReceptionObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)reception_new_own,
    .tp_methods = reception_methods,
    .tp_members = reception_members,
    .tp_getset = reception_fields,
};

/* ---------------------------------------------------------------- Records */

static int records_init(RecordsObject *self, PyObject *args, PyObject *named) {
    static char *names[] = {"start_s", "most_records", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, named, "di", names, &self->start_s, &self->most_records)) return -1;
    self->from_s = self->newest_s = self->lost_s = self->start_s;
    return 0;
}

/* What a codec is called in the file, where it is recorded; its payload type in any case. 0 and an exception when that cannot be said. */
static int channel_read(channel *to, RecordsObject *records, int side, PyObject *codec) {
    PyObject *type = PyObject_GetAttrString(codec, "payload_type");
    to->payload_type = type ? (int)PyLong_AsLong(type) : -1;
    Py_XDECREF(type);
    if (PyErr_Occurred()) return 0;
    if (!records || records->sides[side].codec == codec) return 1;
    PyObject *event = PyObject_CallMethod((PyObject *)records, "codec_event", "iO", side, codec);
    char *bytes;
    Py_ssize_t size;
    int known = event && !PyBytes_AsStringAndSize(event, &bytes, &size);
    if (known && size > CODEC_EVENT_BYTES) {
        PyErr_SetString(PyExc_ValueError, "a codec's name is too long to be recorded");
        known = 0;
    }
    if (known) {
        memcpy(to->event, bytes, (size_t)size);
        to->size = (uint16_t)size;
        to->codec = Py_NewRef(codec);
    }
    Py_XDECREF(event);
    return known;
}

/* Under the lock; returns the codec that is to be let go of. */
static PyObject *channel_switch(channel *from, channel *to) {
    if (!to->codec) return NULL; /* it is the same one */
    PyObject *former = from->codec;
    to->told = from->told && from->size == to->size && !memcmp(from->event, to->event, to->size);
    *from = *to;
    return former;
}

static PyObject *records_put_packet(RecordsObject *self, PyObject *args) {
    int side;
    const char *packet;
    Py_ssize_t size;
    double at_s;
    PyObject *codec;
    if (!PyArg_ParseTuple(args, "iy#dO", &side, &packet, &size, &at_s, &codec)) return NULL;
    if ((side != SAID && side != HEARD) || size > UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "a recording has two sides, and packets that a datagram can hold");
        return NULL;
    }
    channel changed = {.codec = NULL};
    if (self->sides[side].codec != codec && !channel_read(&changed, self, side, codec)) return NULL;
    PyObject *former = changed.codec;
    enter();
    if (is_of((const uint8_t *)packet, (int)size, former ? changed.payload_type : self->sides[side].payload_type)) {
        if (self->records < self->most_records && at_s >= self->from_s) former = channel_switch(&self->sides[side], &changed);
        records_put(self, side, (const uint8_t *)packet, (int)size, at_s);
    }
    leave();
    Py_XDECREF(former);
    Py_RETURN_NONE;
}

static PyObject *records_add_event(RecordsObject *self, PyObject *args) {
    const char *event;
    Py_ssize_t size;
    double at_s;
    if (!PyArg_ParseTuple(args, "y#d", &event, &size, &at_s)) return NULL;
    if (size > UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "an event is too long to be recorded");
        return NULL;
    }
    enter();
    int fits = records_room(self, RECORD_BYTES + (size_t)size);
    if (fits) records_write(self, EVENT, (const uint8_t *)event, (int)size, at_s);
    leave();
    if (!fits) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *records_resume(RecordsObject *self, PyObject *at) {
    double at_s = PyFloat_AsDouble(at);
    if (at_s == -1.0 && PyErr_Occurred()) return NULL;
    enter();
    self->from_s = at_s;
    self->skipping = 1 << SAID | 1 << HEARD;
    leave();
    Py_RETURN_NONE;
}

/* The next ones get as much room as these took, so that the packets need not wait for more. */
static PyObject *records_drain(RecordsObject *self, PyObject *unused) {
    (void)unused;
    enter();
    size_t room = self->used + self->used / 4;
    leave();
    uint8_t *spare = room ? malloc(room) : NULL;
    enter();
    uint8_t *bytes = self->bytes;
    size_t used = self->used;
    self->bytes = spare, self->room = spare ? room : 0, self->used = 0;
    int count = self->packets;
    uint64_t lost = self->lost - self->lost_told;
    double lost_s = self->lost_s;
    self->packets = self->records = 0, self->lost_told = self->lost;
    leave();
    PyObject *found = Py_BuildValue("(y#iKd)", bytes ? (char *)bytes : "", (Py_ssize_t)used, count, (unsigned long long)lost, lost_s);
    free(bytes);
    return found;
}

static PyObject *records_length(RecordsObject *self, void *unused) {
    (void)unused;
    return PyFloat_FromDouble(self->newest_s - self->start_s);
}

static void records_dealloc(RecordsObject *self) {
    free(self->bytes);
    for (int side = SAID; side <= HEARD; side++) Py_XDECREF(self->sides[side].codec);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef records_methods[] = {
    {"put", (PyCFunction)records_put_packet, METH_VARARGS, NULL},
    {"add_event", (PyCFunction)records_add_event, METH_VARARGS, NULL},
    {"resume", (PyCFunction)records_resume, METH_O, NULL},
    {"drain", (PyCFunction)records_drain, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};
static PyMemberDef records_members[] = {
    {"start_s", T_DOUBLE, offsetof(RecordsObject, start_s), READONLY, NULL},
    {"lost", T_ULONGLONG, offsetof(RecordsObject, lost), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};
static PyGetSetDef records_fields[] = {{"length_s", (getter)records_length, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyTypeObject RecordsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "media.wire._wire.Records",
    .tp_doc = "media.recording.records.Records, compiled.",
    .tp_basicsize = sizeof(RecordsObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)records_init,
    .tp_dealloc = (destructor)records_dealloc,
    .tp_methods = records_methods,
    .tp_members = records_members,
    .tp_getset = records_fields,
};

/* ---------------------------------------------------------------- addresses */

static int read_address(PyObject *tuple, int family, address *a, socklen_t *size) {
    const char *host;
    int port;
    unsigned flow = 0, scope = 0;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "an address is a tuple of host and port");
        return 0;
    }
    if (!PyArg_ParseTuple(tuple, "si|II", &host, &port, &flow, &scope)) return 0;
    memset(a, 0, sizeof *a);
    char plain[INET6_ADDRSTRLEN + 1];
    snprintf(plain, sizeof plain, "%.*s", (int)strcspn(host, "%"), host);
    a->any.sa_family = (sa_family_t)family;
    int known;
    if (family == AF_INET6) {
        a->v6.sin6_port = htons((uint16_t)port), a->v6.sin6_flowinfo = htonl(flow), a->v6.sin6_scope_id = scope;
        known = inet_pton(AF_INET6, plain, &a->v6.sin6_addr);
    } else {
        a->v4.sin_port = htons((uint16_t)port);
        known = inet_pton(AF_INET, plain, &a->v4.sin_addr);
    }
    if (known != 1) {
        PyErr_Format(PyExc_ValueError, "%s is no address of this socket's family", host);
        return 0;
    }
    *size = address_size(a);
    return 1;
}

static PyObject *address_tuple(const address *a) {
    char host[INET6_ADDRSTRLEN];
    if (a->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
        return Py_BuildValue("(siII)", host, ntohs(a->v6.sin6_port), ntohl(a->v6.sin6_flowinfo), a->v6.sin6_scope_id);
    }
    inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof host);
    return Py_BuildValue("(si)", host, ntohs(a->v4.sin_port));
}

static int family_of(int fd) {
    address own;
    socklen_t size = sizeof own;
    return getsockname(fd, &own.any, &size) ? AF_INET : own.any.sa_family;
}

/* ---------------------------------------------------------------- Socket */

static int socket_init(SocketObject *self, PyObject *args, PyObject *named) {
    static char *names[] = {"fd", "on_datagram", NULL};
    int fd;
    PyObject *on_datagram;
    if (!PyArg_ParseTupleAndKeywords(args, named, "iO", names, &fd, &on_datagram)) return -1;
    self->fd = self->slot = -1;
    int stamped = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &stamped, sizeof stamped); /* without it a packet came when we looked */
    enter();
    int slot = wire.free_slot, tried = 0;
    while (tried < MOST_SOCKETS && wire.sockets[slot]) slot = (slot + 1) % MOST_SOCKETS, tried += 1;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(wire.generation[slot] + 1) << 32 | (uint32_t)slot};
    if (!wire.running || tried == MOST_SOCKETS || epoll_ctl(wire.epoll, EPOLL_CTL_ADD, fd, &event)) {
        int why = wire.running ? (tried == MOST_SOCKETS ? EMFILE : errno) : EPIPE;
        leave();
        errno = why;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    wire.generation[slot] += 1;
    wire.sockets[slot] = self;
    wire.free_slot = (slot + 1) % MOST_SOCKETS;
    self->fd = fd;
    self->family = family_of(fd);
    self->slot = slot;
    self->expects = 1;
    self->on_datagram = Py_NewRef(on_datagram);
    leave();
    return 0;
}

static PyObject *socket_close(SocketObject *self, PyObject *unused) {
    (void)unused;
    PyObject *on_datagram = NULL;
    node *nodes = NULL;
    enter();
    if (self->fd >= 0) {
        flush_out();
        epoll_ctl(wire.epoll, EPOLL_CTL_DEL, self->fd, NULL);
        wire.sockets[self->slot] = NULL;
        wire.generation[self->slot] += 1;
        for (int i = 0; i < BUCKETS; i++)
            for (node **at = &wire.buckets[i]; *at;) {
                node *one = *at;
                if (one->sock != self) {
                    at = &one->next;
                    continue;
                }
                *at = one->next;
                one->next = nodes;
                nodes = one;
            }
        ring_forget(&datagrams, self);
        self->fd = -1;
        on_datagram = self->on_datagram;
        self->on_datagram = NULL;
    }
    leave();
    while (nodes) {
        node *next = nodes->next;
        Py_DECREF(nodes->path);
        free(nodes);
        nodes = next;
    }
    Py_XDECREF(on_datagram);
    Py_RETURN_NONE;
}

static PyObject *socket_send(SocketObject *self, PyObject *args) {
    Py_buffer datagram;
    PyObject *tuple;
    address to;
    socklen_t size;
    if (!PyArg_ParseTuple(args, "y*O", &datagram, &tuple)) return NULL;
    if (self->fd < 0 || !read_address(tuple, self->family, &to, &size)) {
        PyBuffer_Release(&datagram);
        if (PyErr_Occurred()) return NULL;
        self->unsent += 1;
        Py_RETURN_FALSE;
    }
    ssize_t sent;
    for (int tried = 0; tried < 2; tried++) { /* the first may only tell of an earlier packet's fate */
        sent = sendto(self->fd, datagram.buf, (size_t)datagram.len, MSG_DONTWAIT, &to.any, size);
        if (sent >= 0 || errno != ECONNREFUSED) break;
        self->errors += 1;
    }
    PyBuffer_Release(&datagram);
    if (sent < 0) self->unsent += 1;
    return PyBool_FromLong(sent >= 0);
}

static PyObject *socket_assign(SocketObject *self, PyObject *args) {
    PyObject *tuple, *path;
    address from;
    socklen_t size;
    if (!PyArg_ParseTuple(args, "OO", &tuple, &path)) return NULL;
    if (path != Py_None && !PyObject_TypeCheck(path, &PathType)) {
        PyErr_SetString(PyExc_TypeError, "a socket's packets are assigned to a path of the same wire");
        return NULL;
    }
    if (self->fd < 0) Py_RETURN_NONE;
    if (!read_address(tuple, self->family, &from, &size)) return NULL;
    node *spare = path == Py_None ? NULL : calloc(1, sizeof *spare), *waste = NULL;
    PyObject *former = NULL;
    if (path != Py_None && !spare) return PyErr_NoMemory();
    enter();
    node **at = find_node(self, &from);
    if (path == Py_None) {
        if (*at) waste = *at, *at = waste->next, former = (PyObject *)waste->path;
    } else if (*at) {
        former = (PyObject *)(*at)->path;
        (*at)->path = (PathObject *)Py_NewRef(path);
        waste = spare;
    } else {
        *spare = (node){NULL, self, (PathObject *)Py_NewRef(path), from};
        *at = spare;
    }
    leave();
    free(waste);
    Py_XDECREF(former);
    Py_RETURN_NONE;
}

static void socket_dealloc(SocketObject *self) {
    PyObject_GC_UnTrack(self);
    PyObject *none = socket_close(self, NULL);
    Py_XDECREF(none);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static int socket_traverse(SocketObject *self, visitproc visit, void *arg) {
    Py_VISIT(self->on_datagram);
    return 0;
}

static int socket_clear(SocketObject *self) {
    PyObject *none = socket_close(self, NULL);
    Py_XDECREF(none);
    return 0;
}

static PyMethodDef socket_methods[] = {
    {"send", (PyCFunction)socket_send, METH_VARARGS, NULL},
    {"assign", (PyCFunction)socket_assign, METH_VARARGS, NULL},
    {"close", (PyCFunction)socket_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};
static PyMemberDef socket_members[] = {
    {"unsent", T_ULONGLONG, offsetof(SocketObject, unsent), READONLY, NULL},
    {"errors", T_ULONGLONG, offsetof(SocketObject, errors), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};
static PyTypeObject SocketType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "media.wire._wire.Socket",
    .tp_doc = "media.wire.seam.WireSocket, compiled: Socket(fd, on_datagram). The descriptor stays the caller's.",
    .tp_basicsize = sizeof(SocketObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)socket_init,
    .tp_dealloc = (destructor)socket_dealloc,
    .tp_traverse = (traverseproc)socket_traverse,
    .tp_clear = (inquiry)socket_clear,
    .tp_methods = socket_methods,
    .tp_members = socket_members,
};

/* ---------------------------------------------------------------- taking what waits */

typedef struct {
    uint16_t kind, size;
    PyObject *owner;
    double at_s;
    uint64_t order;
    address from;
    const uint8_t *bytes;
} waiting;

/* What waits longest in a ring, of one owner's copies or of everybody, taken out: a block that holds the bytes too, to be freed. */
static waiting *taken(ring *r, void *copies_of, size_t *count) {
    size_t records = 0, bytes = 0, passed = 0;
    *count = 0;
    enter();
    for (size_t offset = r->tail; passed < r->used && (copies_of || records < MOST_TAKEN);) {
        record *at = ring_at(r, offset);
        if (at->kind <= COPY && (!copies_of || (at->owner == copies_of && at->kind == COPY))) records += 1, bytes += at->size;
        passed += at->bytes;
        offset = (offset + at->bytes) % r->room;
    }
    waiting *block = records ? malloc(records * sizeof(waiting) + bytes) : NULL;
    uint8_t *to = (uint8_t *)(block + records);
    if (block) {
        for (size_t offset = r->tail, left = passed; left;) {
            record *at = ring_at(r, offset);
            if (at->kind <= COPY && (!copies_of || (at->owner == copies_of && at->kind == COPY))) {
                memcpy(to, (uint8_t *)at + sizeof(record), at->size);
                block[(*count)++] = (waiting){at->kind, at->size, Py_NewRef((PyObject *)at->owner), at->at_s, at->order, at->from, to};
                to += at->size;
                at->kind = GONE;
            }
            left -= at->bytes;
            offset = (offset + at->bytes) % r->room;
        }
    }
    if (!copies_of && (block || !records)) {
        r->tail = (r->tail + passed) % r->room;
        r->used -= passed;
        if (r->used) tell_python(); /* everybody else on the event loop comes first */
    }
    leave();
    return block;
}

static PyObject *on_fault;

/* A callback failed: that is its owner's matter, the next packet is another's. */
static void tell_fault(PyObject *sink) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (value && trace) PyException_SetTraceback(value, trace);
    PyObject *told = on_fault && value ? PyObject_CallFunctionObjArgs(on_fault, value, NULL) : NULL;
    if (!told && PyErr_Occurred()) PyErr_WriteUnraisable(sink);
    Py_XDECREF(told);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
}

/* 1 when a packet that was handed over behind another one can be forwarded by now: Python need not look at each of a backlog, which would
   otherwise grow while it does. */
static int settled(const waiting *one, double now_s) {
    PathObject *path = (PathObject *)one->owner;
    if (one->kind != PACKET || rtp_is_rtcp(one->bytes, one->size)) return 0;
    enter();
    int done = now_s - one->at_s > STALE_S;
    wire.counted.stale += (uint64_t)done;
    done = done || forwarded(path, (uint8_t *)one->bytes, one->size, one->at_s);
    path->handed -= done;
    leave();
    return done;
}

/* What is to be put together: see media.intake.Intake.put. */
#define BATCHES 2

typedef struct {
    PyObject *put_many;
    int count;
    size_t used;
    int64_t heads[MOST_TAKEN][5];
    double arrivals_s[MOST_TAKEN];
    uint8_t data[MOST_TAKEN * PACKET_BYTES];
} batch;

static batch batches[BATCHES];

static void put_batch(batch *b) {
    if (!b->put_many) return;
    PyObject *put = b->put_many;
    PyObject *result = PyObject_CallFunction(put, "y#y#y#", (char *)b->heads, (Py_ssize_t)b->count * (Py_ssize_t)sizeof b->heads[0],
                                             (char *)b->arrivals_s, (Py_ssize_t)b->count * (Py_ssize_t)sizeof b->arrivals_s[0], (char *)b->data,
                                             (Py_ssize_t)b->used);
    b->put_many = NULL, b->count = 0, b->used = 0;
    if (!result) tell_fault(put);
    Py_XDECREF(result);
    Py_DECREF(put);
}

/* Before anybody else is called: what came earlier is there, and nobody's row has become another's. */
static void put_batches(void) {
    for (int i = 0; i < BATCHES; i++) put_batch(&batches[i]);
}

/* For this row of ``put_many``, a reference that is given up. */
static void put_with_others(PyObject *put_many, int row, const rtp_header *header, uint16_t sequence, const waiting *one) {
    batch *b = batches;
    while (b < batches + BATCHES && b->put_many && b->put_many != put_many) b += 1;
    if (b == batches + BATCHES || b->count == MOST_TAKEN) put_batch(b = b == batches + BATCHES ? batches : b);
    if (b->put_many) Py_DECREF(put_many);
    else b->put_many = put_many;
    int size = header->payload_end - header->payload_start;
    int64_t head[5] = {row, sequence, header->timestamp, header->ssrc, size};
    memcpy(b->heads[b->count], head, sizeof head);
    b->arrivals_s[b->count++] = one->at_s;
    memcpy(b->data + b->used, one->bytes + header->payload_start, (size_t)size);
    b->used += (size_t)size;
}

static PyObject *last_is_named; /* ("ssrc",) */

/* 1 when it was audio to be played, which goes to its jitter buffer without a detour; or to nobody. */
static int put_to_play(const waiting *one) {
    PathObject *path = (PathObject *)one->owner;
    rtp_header header;
    if (one->kind != PACKET || !path->put || rtp_is_rtcp(one->bytes, one->size) || !rtp_parse(one->bytes, one->size, &header)) return 0;
    enter();
    int ours = path->put && header.payload_type == path->put_payload_type && header.ssrc == path->put_received->own.ssrc;
    PyObject *put = ours && counted(path, &path->put_received->own, &header, one->at_s) ? Py_NewRef(path->put_many ? path->put_many : path->put) : NULL;
    path->handed -= ours;
    int sequence = (header.sequence - path->put_omitted) & 0xFFFF;
    leave();
    if (!put) return ours;
    if (path->put_many) {
        put_with_others(put, path->put_row, &header, (uint16_t)sequence, one);
        return 1;
    }
    PyObject *arguments[] = {PyLong_FromLong(sequence), PyLong_FromUnsignedLong(header.timestamp), PyBool_FromLong(header.marker),
                             PyBytes_FromStringAndSize((const char *)one->bytes + header.payload_start, header.payload_end - header.payload_start),
                             PyFloat_FromDouble(one->at_s), PyLong_FromUnsignedLong(header.ssrc)};
    size_t count = sizeof arguments / sizeof *arguments, made = 0;
    while (made < count && arguments[made]) made += 1;
    PyObject *result = made == count ? PyObject_Vectorcall(put, arguments, count - 1, last_is_named) : NULL;
    if (!result) tell_fault(put);
    Py_XDECREF(result);
    for (size_t i = 0; i < count; i++) Py_XDECREF(arguments[i]);
    Py_DECREF(put);
    return 1;
}

static void hand_one_over(const waiting *one) {
    PathObject *path = (PathObject *)one->owner;
    put_batches();
    PyObject *sink = one->kind == DATAGRAM ? ((SocketObject *)one->owner)->on_datagram
                     : one->kind == PACKET ? path->on_packet
                                           : path->copies;
    if (sink) {
        Py_INCREF(sink);
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)one->bytes, one->size);
        PyObject *second = one->kind == DATAGRAM ? address_tuple(&one->from) : PyFloat_FromDouble(one->at_s);
        PyObject *result = bytes && second ? PyObject_CallFunctionObjArgs(sink, bytes, second, NULL) : NULL;
        if (!result) tell_fault(sink);
        Py_XDECREF(result);
        Py_XDECREF(second);
        Py_XDECREF(bytes);
        Py_DECREF(sink);
    }
    if (one->kind == PACKET) {
        enter();
        path->handed -= 1;
        leave();
    }
}

/* All that waits, or the copies of one path, in the order of arrival: who is believed may change with any datagram. */
static void hand_over(PathObject *copies_of) {
    size_t count, others = 0;
    double now_s = seconds(CLOCK_MONOTONIC);
    waiting *block = taken(&packets, copies_of, &count), *other_block = copies_of ? NULL : taken(&datagrams, NULL, &others);
    for (size_t i = 0, k = 0; i < count || k < others;) {
        waiting *one = k == others || (i < count && block[i].order < other_block[k].order) ? &block[i++] : &other_block[k++];
        if (!settled(one, now_s) && !put_to_play(one)) hand_one_over(one);
        Py_DECREF(one->owner);
    }
    put_batches();
    free(block);
    free(other_block);
    if (wire.out_count && !wire.corked) {
        enter();
        flush_out();
        leave();
    }
}

/* ---------------------------------------------------------------- Path */

static int path_init(PathObject *self, PyObject *args, PyObject *named) {
    static char *names[] = {"on_packet", "secure", NULL};
    PyObject *on_packet;
    int secure;
    if (!PyArg_ParseTupleAndKeywords(args, named, "O$p", names, &on_packet, &secure)) return -1;
    self->on_packet = Py_NewRef(on_packet);
    self->secure = secure;
    self->open = self->urgent = self->urgent_reports = 1;
    return 0;
}

static PyObject *path_secure(PathObject *self, PyObject *args) {
    unsigned long long in = 0, out = 0;
    PyObject *sessions = NULL, *waste[2];
    int wasted = 0;
    if (!PyArg_ParseTuple(args, "|KKO", &in, &out, &sessions)) return NULL;
    Py_XINCREF(sessions);
    enter();
    if (sessions && self->srtp_in && self->srtp_in != (void *)(uintptr_t)in) {
        drop_later(waste, &wasted, self->former_sessions);
        self->former_sessions = self->sessions, self->srtp_former = self->srtp_in;
        self->former_until_s = seconds(CLOCK_MONOTONIC) + FORMER_KEY_S;
        self->source_count = 0;
    } else {
        drop_later(waste, &wasted, self->sessions);
    }
    self->sessions = sessions;
    self->secure = sessions != NULL;
    self->srtp_in = (void *)(uintptr_t)in;
    self->srtp_out = (void *)(uintptr_t)out;
    leave();
    while (wasted) Py_DECREF(waste[--wasted]);
    Py_RETURN_NONE;
}

static PyObject *path_direct(PathObject *self, PyObject *args) {
    PyObject *sock, *tuple;
    address to;
    socklen_t size = 0;
    if (!PyArg_ParseTuple(args, "OO", &sock, &tuple)) return NULL;
    if (sock == Py_None || tuple == Py_None) {
        sock = NULL;
    } else if (!PyObject_TypeCheck(sock, &SocketType)) {
        PyErr_SetString(PyExc_TypeError, "a path leaves by a socket of the same wire");
        return NULL;
    } else if (((SocketObject *)sock)->fd < 0) {
        sock = NULL;
    } else if (!read_address(tuple, ((SocketObject *)sock)->family, &to, &size)) {
        return NULL;
    }
    Py_XINCREF(sock);
    enter();
    PyObject *former = (PyObject *)self->sock;
    self->sock = (SocketObject *)sock;
    self->to_size = size;
    if (size) self->to = to;
    leave();
    Py_XDECREF(former);
    Py_RETURN_NONE;
}

static PyObject *path_send(PathObject *self, PyObject *packet, srtp_call protect) {
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(packet, &bytes, &size)) return NULL;
    enter();
    if (size > PACKET_BYTES || !can_send(self, (int)size)) {
        self->unsent += 1;
    } else {
        outgoing *one = next_out(self->sock, &self->to, self->to_size);
        memcpy(one->bytes, bytes, (size_t)size);
        one->size = (int)size;
        leave_by(self, one, protect);
        if (!wire.corked) flush_out();
    }
    leave();
    Py_RETURN_NONE;
}

static PyObject *path_send_rtp(PathObject *self, PyObject *packet) { return path_send(self, packet, srtp_protect); }
static PyObject *path_send_rtcp(PathObject *self, PyObject *packet) { return path_send(self, packet, srtp_protect_rtcp); }

static RecordsObject *records_or_none(PyObject *object) {
    if (object == Py_None) return NULL;
    if (PyObject_TypeCheck(object, &RecordsType)) return (RecordsObject *)object;
    PyErr_SetString(PyExc_TypeError, "a path puts what passes into records of the same wire");
    return NULL;
}

static PyObject *path_forward(PathObject *self, PyObject *args) {
    PyObject *target = NULL, *codec_in, *codec_out, *received = NULL, *stream = NULL, *said = Py_None, *heard = Py_None, *copies = NULL, *waste[9];
    channel in = {.payload_type = 0}, out = {.payload_type = 0};
    int wasted = 0;
    if (!PyArg_ParseTuple(args, "|O!OOO!O!OOO", &PathType, &target, &codec_in, &codec_out, &ReceptionType, &received, &SenderType, &stream, &said, &heard, &copies))
        return NULL;
    RecordsObject *records_said = records_or_none(said), *records_heard = records_or_none(heard);
    if (PyErr_Occurred()) return NULL;
    if (target && (!channel_read(&in, records_said, SAID, codec_in) || !channel_read(&out, records_heard, HEARD, codec_out))) {
        Py_XDECREF(in.codec);
        return NULL;
    }
    if (copies == Py_None) copies = NULL;
    if (self->copies) hand_over(self); /* copies made under the former orders reach those who wanted them */
    Py_XINCREF(target), Py_XINCREF(received), Py_XINCREF(stream), Py_XINCREF(records_said), Py_XINCREF(records_heard), Py_XINCREF(copies);
    enter();
    drop_later(waste, &wasted, self->target), drop_later(waste, &wasted, self->received), drop_later(waste, &wasted, self->stream);
    drop_later(waste, &wasted, self->said), drop_later(waste, &wasted, self->heard), drop_later(waste, &wasted, self->copies);
    self->target = self->open ? (PathObject *)target : NULL;
    self->payload_type_in = in.payload_type, self->payload_type_out = out.payload_type;
    self->received = (ReceptionObject *)received, self->stream = (SenderObject *)stream;
    self->said = records_said, self->heard = records_heard, self->copies = copies;
    if (records_said) drop_later(waste, &wasted, channel_switch(&records_said->sides[SAID], &in));
    if (records_heard) drop_later(waste, &wasted, channel_switch(&records_heard->sides[HEARD], &out));
    if (target && !self->target) drop_later(waste, &wasted, target);
    leave();
    while (wasted) Py_DECREF(waste[--wasted]);
    Py_RETURN_NONE;
}

static PyObject *path_play(PathObject *self, PyObject *args) {
    PyObject *put = NULL, *received = NULL, *put_many = NULL, *waste[3];
    int payload_type = 0, omitted = 0, row = 0, wasted = 0;
    if (!PyArg_ParseTuple(args, "|OiO!iOi", &put, &payload_type, &ReceptionType, &received, &omitted, &put_many, &row)) return NULL;
    Py_XINCREF(put), Py_XINCREF(received), Py_XINCREF(put_many);
    enter();
    drop_later(waste, &wasted, self->put), drop_later(waste, &wasted, self->put_received), drop_later(waste, &wasted, self->put_many);
    self->put = put, self->put_received = (ReceptionObject *)received, self->put_many = put_many;
    self->put_payload_type = payload_type, self->put_omitted = omitted, self->put_row = row;
    leave();
    while (wasted) Py_DECREF(waste[--wasted]);
    Py_RETURN_NONE;
}

/* A frame of the stream that goes out, built where it leaves from. */
static PyObject *path_send_frame(PathObject *self, PyObject *const *arguments, Py_ssize_t count) {
    char *payload;
    Py_ssize_t size;
    if (count != 5 || !PyObject_TypeCheck(arguments[0], &SenderType)) {
        PyErr_SetString(PyExc_TypeError, "send_frame(sender, payload, payload_type, now_s, marker)");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(arguments[1], &payload, &size)) return NULL;
    long payload_type = PyLong_AsLong(arguments[2]);
    double now_s = PyFloat_AsDouble(arguments[3]);
    int marker = PyObject_IsTrue(arguments[4]);
    if (PyErr_Occurred()) return NULL;
    sender *s = &((SenderObject *)arguments[0])->own;
    enter();
    s->has_source = 0;
    sender_advance(s, now_s);
    if (size > PACKET_BYTES || !can_send(self, RTP_HEADER_BYTES + (int)size)) {
        uint8_t nowhere[RTP_HEADER_BYTES];
        sender_build(s, (const uint8_t *)payload, 0, (int)payload_type, s->timestamp, marker, nowhere);
        s->octets += size;
        self->unsent += 1;
    } else {
        outgoing *one = next_out(self->sock, &self->to, self->to_size);
        sender_build(s, (const uint8_t *)payload, (int)size, (int)payload_type, s->timestamp, marker, one->bytes);
        one->size = RTP_HEADER_BYTES + (int)size;
        leave_by(self, one, srtp_protect);
        if (!wire.corked) flush_out();
    }
    leave();
    Py_RETURN_NONE;
}

static PyObject *path_remembered(PathObject *self, PyObject *unused) {
    (void)unused;
    if (!self->remembered_count) return PyList_New(0);
    memory kept[REMEMBERED];
    enter();
    int count = self->remembered_count;
    for (int i = 0; i < count; i++) {
        memory *one = &self->remembered[(self->remembered_first + i) % REMEMBERED];
        kept[i] = *one;
        *one = (memory){0};
    }
    self->remembered_first = self->remembered_count = 0;
    leave();
    PyObject *list = PyList_New(0);
    for (int i = 0; i < count; i++) {
        PyObject *pair = list && kept[i].size ? Py_BuildValue("(y#d)", kept[i].bytes, (Py_ssize_t)kept[i].size, kept[i].arrival_s) : NULL;
        if (pair && PyList_Append(list, pair)) Py_CLEAR(list);
        Py_XDECREF(pair);
        free(kept[i].bytes);
    }
    return list;
}

static PyObject *path_close(PathObject *self, PyObject *unused) {
    (void)unused;
    PyObject *waste[13];
    int wasted = 0;
    if (self->copies) hand_over(self);
    enter();
    self->open = 0;
    ring_forget(&packets, self);
    drop_later(waste, &wasted, self->target), drop_later(waste, &wasted, self->received), drop_later(waste, &wasted, self->stream);
    drop_later(waste, &wasted, self->said), drop_later(waste, &wasted, self->heard), drop_later(waste, &wasted, self->copies);
    drop_later(waste, &wasted, self->on_packet), drop_later(waste, &wasted, self->sessions), drop_later(waste, &wasted, self->sock);
    drop_later(waste, &wasted, self->former_sessions);
    drop_later(waste, &wasted, self->put), drop_later(waste, &wasted, self->put_received), drop_later(waste, &wasted, self->put_many);
    self->put = self->put_many = NULL, self->put_received = NULL;
    self->target = NULL, self->received = NULL, self->stream = NULL, self->said = self->heard = NULL, self->copies = self->on_packet = self->sessions = self->former_sessions = NULL;
    self->sock = NULL, self->srtp_in = self->srtp_out = self->srtp_former = NULL;
    for (int i = 0; i < REMEMBERED; i++) free(self->remembered[i].bytes), self->remembered[i] = (memory){0};
    self->remembered_count = 0;
    leave();
    while (wasted) Py_DECREF(waste[--wasted]);
    Py_RETURN_NONE;
}

static PyObject *path_counts(PathObject *self, void *unused) {
    (void)unused;
    return Py_BuildValue("(KKK)", self->early, self->refused, self->unsent);
}

static void path_dealloc(PathObject *self) {
    PyObject_GC_UnTrack(self);
    enter();
    ring_forget(&packets, self); /* copies for nobody: whoever wanted them closed the path in time */
    leave();
    PyObject *none = path_close(self, NULL);
    Py_XDECREF(none);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static int path_traverse(PathObject *self, visitproc visit, void *arg) {
    Py_VISIT(self->on_packet);
    Py_VISIT(self->sessions);
    Py_VISIT(self->former_sessions);
    Py_VISIT(self->sock);
    Py_VISIT(self->target);
    Py_VISIT(self->put);
    Py_VISIT(self->put_many);
    Py_VISIT(self->put_received);
    Py_VISIT(self->received);
    Py_VISIT(self->stream);
    Py_VISIT(self->said);
    Py_VISIT(self->heard);
    Py_VISIT(self->copies);
    return 0;
}

static int path_clear(PathObject *self) {
    PyObject *none = path_close(self, NULL);
    Py_XDECREF(none);
    return 0;
}

static PyMethodDef path_methods[] = {
    {"secure_with", (PyCFunction)path_secure, METH_VARARGS, NULL},
    {"direct", (PyCFunction)path_direct, METH_VARARGS, NULL},
    {"send_rtp", (PyCFunction)path_send_rtp, METH_O, NULL},
    {"send_rtcp", (PyCFunction)path_send_rtcp, METH_O, NULL},
    {"forward_to", (PyCFunction)path_forward, METH_VARARGS, NULL},
    {"play_to", (PyCFunction)path_play, METH_VARARGS, NULL},
    {"send_frame", (PyCFunction)(void (*)(void))path_send_frame, METH_FASTCALL, NULL},
    {"remembered", (PyCFunction)path_remembered, METH_NOARGS, NULL},
    {"close", (PyCFunction)path_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};
static PyMemberDef path_members[] = {
    {"urgent", T_INT, offsetof(PathObject, urgent), 0, NULL},
    {"urgent_reports", T_INT, offsetof(PathObject, urgent_reports), 0, NULL},
    {"heard_s", T_DOUBLE, offsetof(PathObject, heard_s), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};
static PyGetSetDef path_fields[] = {{"counts", (getter)path_counts, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyTypeObject PathType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "media.wire._wire.Path",
    .tp_doc = "media.wire.seam.Path, compiled: Path(on_packet, secure=).",
    .tp_basicsize = sizeof(PathObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)path_init,
    .tp_dealloc = (destructor)path_dealloc,
    .tp_traverse = (traverseproc)path_traverse,
    .tp_clear = (inquiry)path_clear,
    .tp_methods = path_methods,
    .tp_members = path_members,
    .tp_getset = path_fields,
};

/* ---------------------------------------------------------------- the module */

static PyObject *start(PyObject *module, PyObject *args) {
    (void)module;
    unsigned long long calls[4];
    double interval_s;
    PyObject *fault;
    if (!PyArg_ParseTuple(args, "d(KKKK)O", &interval_s, &calls[0], &calls[1], &calls[2], &calls[3], &fault)) return NULL;
    if (wire.running) {
        PyErr_SetString(PyExc_RuntimeError, "a process has one compiled wire, and it runs");
        return NULL;
    }
    srtp_protect = (srtp_call)(uintptr_t)calls[0], srtp_unprotect = (srtp_call)(uintptr_t)calls[1];
    srtp_protect_rtcp = (srtp_call)(uintptr_t)calls[2], srtp_unprotect_rtcp = (srtp_call)(uintptr_t)calls[3];
    packets = (ring){.bytes = malloc(PACKET_RING_BYTES), .room = PACKET_RING_BYTES};
    datagrams = (ring){.bytes = malloc(DATAGRAM_RING_BYTES), .room = DATAGRAM_RING_BYTES};
    wire.epoll = epoll_create1(EPOLL_CLOEXEC), wire.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wire.stop = wire.corked = wire.told = wire.out_count = 0;
    wire.interval_s = interval_s;
    memset(&wire.counted, 0, sizeof wire.counted);
    sigset_t all, before; /* signals are Python's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = !packets.bytes || !datagrams.bytes || wire.epoll < 0 || wire.wake < 0 || pthread_create(&wire.thread, NULL, work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(packets.bytes), free(datagrams.bytes);
        if (wire.epoll >= 0) close(wire.epoll);
        if (wire.wake >= 0) close(wire.wake);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    pthread_setname_np(wire.thread, "packet-path");
    wire.running = 1;
    on_fault = Py_NewRef(fault);
    return PyLong_FromLong(wire.wake);
}

static PyObject *stop(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    if (!wire.running) Py_RETURN_NONE;
    __atomic_store_n(&wire.stop, 1, __ATOMIC_RELEASE);
    int alarm = eventfd(1, EFD_CLOEXEC); /* readable at once: wakes the thread, whatever else is there */
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    if (alarm < 0 || epoll_ctl(wire.epoll, EPOLL_CTL_ADD, alarm, &event)) return PyErr_SetFromErrno(PyExc_OSError);
    Py_BEGIN_ALLOW_THREADS
    pthread_join(wire.thread, NULL);
    Py_END_ALLOW_THREADS
    close(alarm), close(wire.epoll), close(wire.wake);
    enter();
    wire.running = 0;
    free(packets.bytes), free(datagrams.bytes);
    packets = datagrams = (ring){0};
    leave();
    Py_CLEAR(on_fault);
    Py_RETURN_NONE;
}

static PyObject *take(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    if (!wire.running) Py_RETURN_NONE;
    uint64_t rung;
    if (read(wire.wake, &rung, sizeof rung) < 0 && errno != EAGAIN) return PyErr_SetFromErrno(PyExc_OSError);
    enter();
    wire.told = 0; /* in this order: what is told from now on rings again, what was told before is taken below */
    leave();
    hand_over(NULL);
    Py_RETURN_NONE;
}

static PyObject *cork(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    enter();
    wire.corked = 1;
    leave();
    Py_RETURN_NONE;
}

static PyObject *uncork(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    Py_BEGIN_ALLOW_THREADS
    lock_for_python();
    wire.corked = 0;
    flush_out();
    pthread_mutex_unlock(&state);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *counters(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    enter();
    __typeof__(wire.counted) c = wire.counted;
    uint64_t packets_lost = packets.lost, datagrams_lost = datagrams.lost;
    leave();
    return Py_BuildValue("{sKsKsKsKsKsKsKsKsKsKsKsK}", "packets_in", c.packets_in, "packets_forwarded", c.packets_forwarded, "packets_out", c.packets_out,
                         "dropped_flood", c.dropped_flood, "dropped_implausible", c.dropped_implausible, "dropped_late_at_switch", c.dropped_late_at_switch,
                         "wire_handed_over", c.handed_over, "wire_truncated", c.truncated, "wire_wakeups", c.wakeups, "wire_packets_lost", packets_lost, "wire_packets_stale", c.stale,
                         "wire_datagrams_lost", datagrams_lost);
}

static PyMethodDef functions[] = {
    {"start", start, METH_VARARGS, "start(interval_s, (protect, unprotect, protect_rtcp, unprotect_rtcp), on_fault): the descriptor to watch; then take()."},
    {"stop", stop, METH_NOARGS, "Ends the thread. All sockets must be closed."},
    {"take", take, METH_NOARGS, "Hands over all that waits."},
    {"cork", cork, METH_NOARGS, "What paths send may wait."},
    {"uncork", uncork, METH_NOARGS, "What waited leaves."},
    {"counters", counters, METH_NOARGS, "What was counted since the start."},
    {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_wire", "The packet path without Python; media.wire.compiled is its face.", -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__wire(void) {
    static struct {
        const char *name;
        PyTypeObject *type;
    } types[] = {{"RtpSender", &SenderType}, {"Reception", &ReceptionType}, {"Records", &RecordsType}, {"Socket", &SocketType}, {"Path", &PathType}};
    PyObject *made = PyModule_Create(&module);
    if (made && !last_is_named && !(last_is_named = Py_BuildValue("(N)", PyUnicode_InternFromString("ssrc")))) Py_CLEAR(made);
    for (size_t i = 0; made && i < sizeof types / sizeof *types; i++)
        if (PyType_Ready(types[i].type) || PyModule_AddObjectRef(made, types[i].name, (PyObject *)types[i].type)) Py_CLEAR(made);
    return made;
}
