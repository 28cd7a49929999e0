"""What a SIP user agent owes its peers, as SIPp scenarios: one table for each theme, each line with its RFC and clause."""
