"""3CX: its Call Control API and its Configuration API as their client sees them, and an emulator of both."""
