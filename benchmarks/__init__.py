"""Benchmarks: this library beside its peers, in memory, over sockets and in rooms. ``make bench`` runs them."""
