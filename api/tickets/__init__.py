"""Tickets: what customers wait for, in its states, with a clock that runs in business hours and steps that follow where it runs out."""
