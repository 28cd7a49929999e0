"""Who may sign in and as what: passwords, second factors, sessions, keys, other issuers' people, and the log of all that."""
