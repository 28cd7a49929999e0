"""``centralita load``: some calls at once through a running server, every packet of them checked."""

from api.load.command import load_server

__all__ = ["load_server"]
