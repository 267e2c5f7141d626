"""Links to MQTT brokers: MQTT 5 over a session without I/O, and 3.1.1 through ``aiomqtt``."""
