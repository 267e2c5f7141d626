"""The liaison console: what passes the gateway right now, for people on watch. Read only, in memory only."""
