"""What travels between partners: pure values and pure functions, no I/O."""
