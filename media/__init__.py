"""Media plane: ICE-lite, DTLS-SRTP, RTP and RTCP legs, forwarding, mixing, quality."""
