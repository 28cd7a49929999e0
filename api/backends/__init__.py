"""Booking, CRM and ticketing beside every call: who calls, looked up where the company keeps it, and never waited for."""
