"""Consultation appointments: when professionals are free, who booked what, and what follows from it."""
