/* Runs media/wire/rtp_core.h over packets from standard input, for tests that compare it with its Python twins under the sanitizers.

   In: for each packet 2 bytes of length, 8 of arrival time (double), the bytes. Out: a line of text each. */

#include <stdio.h>
#include <stdlib.h>

#include "rtp_core.h"

int main(void) {
    sender stream;
    reception source;
    int known = 0;
    sender_init(&stream, 0xABCD, 1000, 50000, 8000);
    for (;;) {
        uint8_t head[10];
        double at_s;
        if (fread(head, 1, sizeof head, stdin) != sizeof head) return 0;
        int size = rtp_u16(head);
        memcpy(&at_s, head + 2, 8);
        uint8_t *packet = malloc(size ? (size_t)size : 1), *to = malloc(RTP_HEADER_BYTES + (size_t)size); /* to the byte, so that reading or writing beyond shows */
        if (fread(packet, 1, (size_t)size, stdin) != (size_t)size) return 1;
        rtp_header header;
        if (!rtp_parse(packet, size, &header)) {
            puts("-");
        } else {
            if (!known || header.ssrc != source.ssrc) reception_init(&source, header.ssrc, 8000, 1), known = 1;
            int believed = reception_received(&source, header.sequence, header.timestamp, at_s, 1);
            int sent = believed ? sender_forward(&stream, packet, &header, 8, at_s, to) : 0;
            printf("%d %d %u %u %d %d %d|", header.payload_type, header.marker, header.sequence, header.timestamp, header.payload_start, header.payload_end, believed);
            for (int i = 0; i < sent; i++) printf("%02x", to[i]);
            printf("|%lld %lld %lld %lld %lld %lld %lld %.9f %.9f\n", (long long)source.packets, (long long)source.duplicates, (long long)source.reordered,
                   (long long)source.refused, (long long)source.restarts, (long long)reception_highest(&source), (long long)reception_expected(&source), source.jitter_s,
                   reception_burst_ratio(&source));
        }
        free(packet);
        free(to);
    }
}
