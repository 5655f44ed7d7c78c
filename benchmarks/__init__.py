"""Benchmarks: this library beside its peers, in memory and over sockets. ``make bench`` runs them."""
