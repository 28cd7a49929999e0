"""Recording of calls: what one leg says and hears, as encoded packets in an encrypted file, and sound files made of it on demand."""
