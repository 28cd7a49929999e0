"""Many Socket.IO clients in one process (``crowd.c``), under them our hub or the Node server, each in a process of its own."""
