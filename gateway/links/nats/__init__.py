"""Links to NATS servers: JetStream behind the Link contract."""
