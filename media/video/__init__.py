"""Video of consultations: forwarded, never decoded (RFC 7667, section 3.7: a selective forwarding middlebox)."""
