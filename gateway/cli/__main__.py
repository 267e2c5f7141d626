"""``python -m gateway.cli`` is ``comity``."""

from gateway.cli.main import app

app()
