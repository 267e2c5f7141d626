"""Keys: our units' at rest and in use, partners' pinned bundles, epochs; others use ``ring.Keyring``."""
