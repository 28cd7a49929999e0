"""The audit: one chain of who did what, of sign-ins as of every look at, listen to, change, export and erasure of personal data."""
