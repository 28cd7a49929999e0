"""``centralita load``: some calls at once through a running server, every packet of them checked."""
