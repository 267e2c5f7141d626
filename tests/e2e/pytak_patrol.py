"""A patrol with PyTAK, unmodified: publishes positions to the MQTT URL given, and prints what it said as JSON lines.

``python pytak_patrol.py URL CALLSIGN COUNT``
"""

from __future__ import annotations

import asyncio
import json
import sys
import xml.etree.ElementTree as ET
from configparser import ConfigParser

import pytak

PERIOD_S = 0.05


class Patrol(pytak.QueueWorker):  # type: ignore[misc]
    """Queues one event after another; PyTAK's own MQTT worker sends them."""

    async def run(self, _: int = -1) -> None:
        """Say every position, wait until PyTAK has sent them, and say so."""
        callsign, count = self.config["CALLSIGN"], int(self.config["COUNT"])
        for step in range(count):
            latitude, longitude, speed = 47.06 + step / 1000, 8.28 + step / 500, 2.5 + step
            course = (10.5 * step) % 360
            event = pytak.cot_event(
                lat=latitude,
                lon=longitude,
                ce=7.5,
                hae=498.2,
                le=9999999.0,
                uid=f"PYTAK-{callsign}",
                stale=300,
                cot_type="a-f-G-U-C-I",
                callsign=callsign,
                access="UNCLASSIFIED",
            )
            track = ET.SubElement(event.find("detail"), "track")
            track.set("course", str(course))
            track.set("speed", str(speed))
            said = {
                "time": event.get("time"),
                "lat": float(event.find("point").get("lat")),
                "lon": float(event.find("point").get("lon")),
                "course": course,
                "speed": speed,
            }
            print(json.dumps(said), flush=True)
            await self.put_queue(pytak.serialize_cot(event))
            await asyncio.sleep(PERIOD_S)
        await asyncio.sleep(10 * PERIOD_S)
        print("sent", flush=True)


async def main() -> None:
    """Run PyTAK's own client until the patrol has said everything."""
    url, callsign, count = sys.argv[1:]
    parser = ConfigParser()
    parser["patrol"] = {"COT_URL": url, "CALLSIGN": callsign, "COUNT": count, "MQTT_QOS": "1"}
    client = pytak.CLITool(parser["patrol"])
    await client.setup()
    client.add_task(Patrol(client.tx_queue, parser["patrol"]))
    await client.run()


if __name__ == "__main__":
    asyncio.run(main())
