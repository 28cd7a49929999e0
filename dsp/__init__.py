"""Numeric core: jitter buffer, concealment, levels, E-model, network emulation. No asyncio, clock, files or logging."""
