"""Transfer by file: what a courier carries between gateways that share no broker."""
