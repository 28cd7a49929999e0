"""Callers who wait, and who is offered which of them: pure, standard library only; a ticket is a string, an agent an identity."""
