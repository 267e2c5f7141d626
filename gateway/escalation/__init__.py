"""Who must acknowledge a message, until when, and who is asked next; what waits survives a restart."""
