"""What is done once something has happened: written where it belongs, by an outbox that loses nothing and does nothing twice."""
