"""Call flows as data: what a caller hears, is asked and where they end. Read and checked before a call meets them, run without a clock."""
