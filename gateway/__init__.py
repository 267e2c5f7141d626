"""The running bridge: the only package with I/O."""
