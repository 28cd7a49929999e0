"""Telephone side: the SIP user agent, trunks, number rules and the loopback demo line. Signalling only, never media."""
