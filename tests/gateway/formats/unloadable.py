"""An adapter whose module cannot be imported."""

raise RuntimeError("HAWK-1 Kowalski")
