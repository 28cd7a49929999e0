"""The contact centre's plan: documents that people write, kept version by version, read as a whole and put in force at every node."""
