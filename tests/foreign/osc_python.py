# SPDX-License-Identifier: MIT OR Apache-2.0
"""python-osc against a daemon: osc_python.py HOST PORT. What it saw goes to stdout as one JSON object."""

import json
import sys
import time

from pythonosc.osc_packet import OscPacket
from pythonosc.udp_client import SimpleUDPClient

TRIM = "/rack/trim/trim"


def wait(client, address, wanted=lambda args: True, again=None, seconds=10):
    """The arguments of the first message to an address that is as wanted; asks again every second."""
    end, ask = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        if again and time.monotonic() >= ask:
            client.send_message(*again)
            ask = time.monotonic() + 1
        dgram = client.receive(timeout=0.2)
        for timed in OscPacket(dgram).messages if dgram else []:
            if timed.message.address == address and wanted(timed.message.params):
                return timed.message.params
    raise SystemExit(f"nothing came to {address}")


def near(value):
    return lambda args: abs(args[0] - value) < 1e-3


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    one, other = SimpleUDPClient(host, port), SimpleUDPClient(host, port)
    saw = {}
    one.send_message(TRIM, -3.0)
    saw["read_back"] = wait(one, TRIM, again=(TRIM, None))[0]
    one.send_message("/subscribe", [TRIM])
    wait(one, TRIM)  # the full state
    other.send_message(TRIM, -6.0)
    saw["feedback"] = wait(one, TRIM, near(-6))[0]
    saw["meter"] = wait(one, "/meter/out/momentary", lambda a: a[0] > -100, ("/meter/out/momentary", None))[0]
    one.send_message("/snapshot/store", "python-osc")
    wait(one, "/snapshot/current", lambda a: a[0] == "python-osc", ("/snapshot/current", None))
    one.send_message(TRIM, -12.0)
    wait(one, TRIM, near(-12), (TRIM, None))
    one.send_message("/snapshot/recall", "python-osc")
    saw["recalled"] = wait(one, TRIM, near(-6), (TRIM, None))[0]
    one.send_message(TRIM, 99.0)
    saw["refusal"] = " ".join(wait(one, "/error"))
    print(json.dumps(saw))


main()
