"""Centralita for other programs, by its REST: ``Client`` asks, ``Refused`` says why not. ``docs/rest.md`` shows how."""

from api.client.client import Answer, Client
from api.client.refused import Refused

__all__ = ["Answer", "Client", "Refused"]
