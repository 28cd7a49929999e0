"""The parts of a server, each put together in a file of its own; `api/server.py` enters them in their order."""
