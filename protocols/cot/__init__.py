"""Cursor on Target 2.0, whatever carries it (XML, TAK Protocol): events to Messages and back. Pure."""
