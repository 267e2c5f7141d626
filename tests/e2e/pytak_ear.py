"""A TAK team with PyTAK, unmodified: listens at the URL given and prints the uid of every event it is told.

``python pytak_ear.py URL``
"""

from __future__ import annotations

import asyncio
import re
import sys
from configparser import ConfigParser

import pytak


class Ear(pytak.QueueWorker):  # type: ignore[misc]
    """Takes what PyTAK's own receiver has heard."""

    async def run(self, _: int = -1) -> None:
        """Print one uid a line."""
        print("listening", flush=True)
        while True:
            found = re.search(rb'uid="([^"]+)"', await self.queue.get())
            print(found[1].decode() if found else "", flush=True)


async def main() -> None:
    """Run PyTAK's own client until it is killed."""
    parser = ConfigParser()
    parser["ear"] = {"COT_URL": sys.argv[1], "PYTAK_NO_HELLO": "1"}
    client = pytak.CLITool(parser["ear"])
    await client.setup()
    client.add_task(Ear(client.rx_queue, parser["ear"]))
    await client.run()


if __name__ == "__main__":
    asyncio.run(main())
