"""The knowledge base: what agents look up beside a call."""
