"""The table that an operator writes: its entries, and what is wrong between them. Pure; ``gateway.config`` reads it."""
