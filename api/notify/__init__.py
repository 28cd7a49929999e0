"""E-mail and SMS to people, by the outbox."""
