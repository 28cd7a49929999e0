"""HTTP, configuration, wiring, records and pages. May import every other package; nothing imports it."""
