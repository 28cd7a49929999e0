/* RTP as arithmetic: headers (RFC 3550, 5.1), reception counters (A.1, A.3, A.8) and one outgoing stream from several sources.

   The compiled twin of media/rtp.py, media/receive_stats.py and media/sender.py, which say why things are as they are and pass the same
   tests. No Python, no allocation, no system call here, so that it can be fuzzed alone. */

#ifndef CENTRALITA_RTP_CORE_H
#define CENTRALITA_RTP_CORE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define RTP_HEADER_BYTES 12
#define RTP_MAX_DROPOUT 3000
#define RTP_MAX_MISORDER 100

typedef struct {
    int payload_type, marker;
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    int payload_start, payload_end;
} rtp_header;

static inline uint16_t rtp_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t rtp_u32(const uint8_t *at) { return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]; }
static inline void rtp_put_u16(uint8_t *at, uint16_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }
static inline void rtp_put_u32(uint8_t *at, uint32_t value) { rtp_put_u16(at, (uint16_t)(value >> 16)), rtp_put_u16(at + 2, (uint16_t)value); }

/* 1 and the header, or 0 for a malformed packet. */
static inline int rtp_parse(const uint8_t *packet, int size, rtp_header *header) {
    if (size < RTP_HEADER_BYTES || packet[0] >> 6 != 2) return 0;
    int start = RTP_HEADER_BYTES + 4 * (packet[0] & 0x0F), end = size;
    if (packet[0] & 0x10) {
        if (size < start + 4) return 0;
        start += 4 + 4 * rtp_u16(packet + start + 2);
    }
    if (packet[0] & 0x20) {
        if (!packet[size - 1]) return 0;
        end -= packet[size - 1];
    }
    if (start > end) return 0;
    header->payload_type = packet[1] & 0x7F;
    header->marker = packet[1] > 0x7F;
    header->sequence = rtp_u16(packet + 2);
    header->timestamp = rtp_u32(packet + 4);
    header->ssrc = rtp_u32(packet + 8);
    header->payload_start = start;
    header->payload_end = end;
    return 1;
}

static inline int rtp_is_rtcp(const uint8_t *packet, int size) { return size > 1 && packet[1] >= 192 && packet[1] <= 223; }

static inline void rtp_write_header(uint8_t *to, int payload_type, int marker, uint16_t sequence, uint32_t timestamp, uint32_t ssrc) {
    to[0] = 0x80;
    to[1] = (uint8_t)(payload_type | (marker ? 0x80 : 0));
    rtp_put_u16(to + 2, sequence);
    rtp_put_u32(to + 4, timestamp);
    rtp_put_u32(to + 8, ssrc);
}

/* -- what arrived of one source */

#define RECEPTION_WINDOW 64
#define RECEPTION_LONGEST_TRANSIT_CHANGE_S 5.0

typedef struct {
    uint32_t ssrc;
    int clock_rate;
    int64_t packets, duplicates, reordered, refused, restarts;
    double jitter_s, arrival_s;
    int wanted, probation, started, has_timestamp;
    int64_t cycles;
    int32_t highest, base, bad;
    uint32_t timestamp;
    uint64_t seen;
    int64_t burst_packets, burst_runs, burst_run_packets, burst_run;
} reception;

static inline void reception_init(reception *r, uint32_t ssrc, int clock_rate, int probation) {
    memset(r, 0, sizeof *r);
    r->ssrc = ssrc;
    r->clock_rate = clock_rate;
    r->wanted = r->probation = probation;
    r->bad = -1;
    r->seen = ~UINT64_C(0);
}

static inline void reception_count_burst(reception *r, int lost, int64_t packets) {
    r->burst_packets += packets;
    if (lost) {
        r->burst_run += packets;
    } else if (r->burst_run) {
        r->burst_runs += 1;
        r->burst_run_packets += r->burst_run;
        r->burst_run = 0;
    }
}

static inline double reception_burst_ratio(const reception *r) {
    if (!r->burst_runs) return 1.0;
    double ratio = (double)r->burst_run_packets / (double)r->burst_runs * (1.0 - (double)r->burst_run_packets / (double)r->burst_packets);
    return ratio > 1.0 ? ratio : 1.0;
}

static inline void reception_start(reception *r, uint16_t sequence) {
    r->started = 1;
    r->base = r->highest = sequence;
    r->cycles = 0;
    r->bad = -1;
    r->packets = 0;
    r->has_timestamp = 0;
    r->seen = ~UINT64_C(0) - 1;
}

static inline int reception_proven(reception *r, uint16_t sequence) {
    int follows = sequence == ((r->highest + 1) & 0xFFFF);
    r->probation = (follows ? r->probation : r->wanted) - 1;
    r->highest = sequence;
    return r->probation == 0;
}

static inline void reception_advance(reception *r, int steps) {
    const uint64_t oldest = UINT64_C(1) << (RECEPTION_WINDOW - 1);
    int settled = steps < RECEPTION_WINDOW ? steps : RECEPTION_WINDOW;
    for (int i = 0; i < settled; i++) {
        reception_count_burst(r, !(r->seen & oldest), 1);
        r->seen <<= 1;
    }
    if (steps > RECEPTION_WINDOW) reception_count_burst(r, 1, steps - RECEPTION_WINDOW);
    r->seen |= 1;
}

static inline void reception_mark(reception *r, int age) {
    uint64_t bit = age < RECEPTION_WINDOW ? UINT64_C(1) << age : 0;
    if (age >= RECEPTION_WINDOW) {
        r->reordered += 1;
    } else if (r->seen & bit) {
        r->duplicates += r->packets > 0;
    } else {
        r->seen |= bit;
        r->reordered += age > 0;
    }
}

static inline void reception_time(reception *r, uint32_t timestamp, double arrival_s) {
    if (r->has_timestamp) {
        int32_t sent = (int32_t)(timestamp - r->timestamp);
        double change_s = fabs(arrival_s - r->arrival_s - (double)sent / r->clock_rate);
        if (change_s < RECEPTION_LONGEST_TRANSIT_CHANGE_S) r->jitter_s += (change_s - r->jitter_s) / 16;
    }
    r->has_timestamp = 1;
    r->timestamp = timestamp;
    r->arrival_s = arrival_s;
}

/* 0 when the sequence number is not believed. */
static inline int reception_received(reception *r, uint16_t sequence, uint32_t timestamp, double arrival_s, int timed) {
    if (r->probation) {
        if (!reception_proven(r, sequence)) {
            r->refused += 1;
            return 0;
        }
        reception_start(r, sequence);
    }
    int delta = (sequence - r->highest) & 0xFFFF;
    if (delta < RTP_MAX_DROPOUT) {
        if (delta) {
            if (sequence < r->highest) r->cycles += 0x10000;
            r->highest = sequence;
            reception_advance(r, delta);
        } else {
            reception_mark(r, 0);
        }
    } else if (delta <= 0x10000 - RTP_MAX_MISORDER) {
        if (sequence != r->bad) {
            r->bad = (sequence + 1) & 0xFFFF;
            r->refused += 1;
            return 0;
        }
        r->restarts += 1;
        reception_start(r, sequence);
        reception_mark(r, 0);
    } else {
        reception_mark(r, 0x10000 - delta);
    }
    r->packets += 1;
    if (timed) reception_time(r, timestamp, arrival_s);
    return 1;
}

static inline int64_t reception_highest(const reception *r) { return r->cycles + r->highest; }
static inline int64_t reception_expected(const reception *r) { return r->started ? reception_highest(r) - r->base + 1 : 0; }

/* -- our own stream towards one far end */

#define SENDER_FRAMES_PER_S 50
#define SENDER_GUARDED_PACKETS 128
#define SENDER_MOST_AHEAD_S 0.04

typedef struct {
    uint32_t ssrc, timestamp, source, timestamp_offset, event_timestamp;
    uint16_t sequence, source_sequence, sequence_offset, first_sequence;
    int clock_rate, frames_per_s, frame, lasts_frames, started, has_source, guard;
    int64_t packets, octets;
    double sent_s, owed_s;
} sender;

static inline void sender_init(sender *s, uint32_t ssrc, uint16_t sequence, uint32_t timestamp, int clock_rate) {
    memset(s, 0, sizeof *s);
    s->ssrc = ssrc;
    s->sequence = sequence;
    s->timestamp = timestamp;
    s->clock_rate = clock_rate;
    s->frames_per_s = SENDER_FRAMES_PER_S;
    s->frame = clock_rate / SENDER_FRAMES_PER_S;
    s->lasts_frames = 1;
}

static inline void sender_advance(sender *s, double now_s) {
    if (s->started) {
        double due_s = now_s - s->sent_s + s->owed_s;
        double whole = due_s * s->frames_per_s + 0.02;
        int64_t frames = whole > s->lasts_frames ? (whole < 1e9 ? (int64_t)whole : 1000000000) : s->lasts_frames;
        s->lasts_frames = 1;
        double owed_s = due_s - (double)frames / s->frames_per_s;
        s->owed_s = owed_s > -SENDER_MOST_AHEAD_S ? owed_s : -SENDER_MOST_AHEAD_S;
        s->timestamp += (uint32_t)(frames * s->frame);
    }
    s->started = 1;
    s->sent_s = now_s;
}

static inline void sender_splice(sender *s, const rtp_header *header, double now_s) {
    sender_advance(s, now_s);
    s->has_source = 1;
    s->source = header->ssrc;
    s->source_sequence = s->first_sequence = header->sequence;
    s->sequence_offset = (uint16_t)(s->sequence - header->sequence);
    s->timestamp_offset = s->timestamp - header->timestamp;
    s->guard = SENDER_GUARDED_PACKETS;
}

/* Writes the packet under our header to ``to`` and returns its size; 0 for one from before the last change of source. */
static inline int sender_forward(sender *s, const uint8_t *packet, const rtp_header *header, int payload_type, double now_s, uint8_t *to) {
    if (!s->has_source || header->ssrc != s->source) {
        sender_splice(s, header, now_s);
    } else {
        int delta = (header->sequence - s->source_sequence) & 0xFFFF;
        if (delta < RTP_MAX_DROPOUT) s->source_sequence = header->sequence;
        else if (delta < 0x10000 - RTP_MAX_MISORDER) sender_splice(s, header, now_s);
        else if (s->guard && (int16_t)(header->sequence - s->first_sequence) < 0) return 0;
        if (s->guard) s->guard -= 1;
    }
    uint16_t sequence = (uint16_t)(header->sequence + s->sequence_offset);
    uint32_t timestamp = header->timestamp + s->timestamp_offset;
    if (header->sequence == s->source_sequence) {
        s->sequence = (uint16_t)(sequence + 1);
        s->timestamp = timestamp;
        s->started = 1;
        s->sent_s = now_s;
    }
    int octets = header->payload_end - header->payload_start;
    s->packets += 1;
    s->octets += octets;
    rtp_write_header(to, payload_type, header->marker, sequence, timestamp, s->ssrc);
    memcpy(to + RTP_HEADER_BYTES, packet + header->payload_start, (size_t)octets);
    return RTP_HEADER_BYTES + octets;
}

/* Writes a packet of our own to ``to``; returns its size. */
static inline int sender_build(sender *s, const uint8_t *payload, int octets, int payload_type, uint32_t timestamp, int marker, uint8_t *to) {
    rtp_write_header(to, payload_type, marker, s->sequence, timestamp, s->ssrc);
    memcpy(to + RTP_HEADER_BYTES, payload, (size_t)octets);
    s->sequence += 1;
    s->packets += 1;
    s->octets += octets;
    return RTP_HEADER_BYTES + octets;
}

static inline uint32_t sender_timestamp_at(const sender *s, double now_s) {
    if (!s->started) return s->timestamp;
    return s->timestamp + (uint32_t)(int64_t)rint((now_s - s->sent_s) * s->clock_rate);
}

#endif
