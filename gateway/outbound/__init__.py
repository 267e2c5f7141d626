"""From parcels to destinations: nothing is forgotten until its destination has it, or the disk does."""
