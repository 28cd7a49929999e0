"""Signalling: typed messages, tokens, limits, replay and the Socket.IO hub."""
