"""What is tried on every adapter: the conformance kit, its specimens, and the fidelity of translations. Pure."""
