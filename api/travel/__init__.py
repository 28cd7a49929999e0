"""The built-in booking backend: tours, departures with seats, and bookings."""
