#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Stores the settings of three songs, recalls them in turn, and logs how loud each one is.

Needs Python 3.9 or newer and gRPC, in an environment of its own:

    python3 -m venv venv
    venv/bin/pip install grpcio grpcio-tools
    venv/bin/python clients/python/examples/recall.py --server 127.0.0.1:7701

The stubs are made from proto/ when it runs, so it always speaks the schema of this checkout. It works on the
default rack; for another one, change SONGS. One line a song goes to stdout, as comma-separated values. What
stood before is stored under "before the songs" and recalled at the end.
"""

import argparse
import csv
import math
import pathlib
import sys

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "proto"))

rack_pb, rack_rpc = grpc.protos_and_services("lathe/v1/rack.proto")
snapshot_pb, snapshot_rpc = grpc.protos_and_services("lathe/v1/snapshot.proto")
meter_pb, meter_rpc = grpc.protos_and_services("lathe/v1/meter.proto")

# Values as people write them; the daemon refuses what is out of range, and says what is allowed.
SONGS = {
    "Opener": {"trim/trim": "-3 dB", "eq/band4/gain": "1.5 dB", "limiter/bypass": "off", "limiter/gain": "3 dB"},
    "Ballad": {"trim/trim": "-9 dB", "eq/band4/gain": "-1 dB", "limiter/bypass": "on"},
    "Closer": {"trim/trim": "0 dB", "comp/ratio": "1.5", "limiter/bypass": "off", "limiter/gain": "4 dB"},
}
BEFORE = "before the songs"


class Rack:
    """The daemon, as this script needs it."""

    def __init__(self, server):
        channel = grpc.insecure_channel(server)
        grpc.channel_ready_future(channel).result(timeout=5)
        self.rack = rack_rpc.RackServiceStub(channel)
        self.snapshots = snapshot_rpc.SnapshotServiceStub(channel)
        self.meters = meter_rpc.MeterServiceStub(channel)

    def set(self, values):
        """All values as one change."""
        items = [rack_pb.SetValuesItem(address=a, text=t) for a, t in values.items()]
        self.rack.SetValues(rack_pb.SetValuesRequest(items=items))

    def store(self, name):
        self.snapshots.CreateSnapshot(snapshot_pb.CreateSnapshotRequest(name=name, author="recall.py"))

    def recall(self, name):
        self.snapshots.RecallSnapshot(snapshot_pb.RecallSnapshotRequest(name=name))

    def listen(self, seconds):
        """The last reading of a new measurement of so many seconds, at the output."""
        self.meters.ResetMeters(meter_pb.ResetMetersRequest())
        last, frames = None, int(10 * seconds)
        readings = self.meters.WatchMeters(meter_pb.WatchMetersRequest(hz=10, taps=["out"]))
        for count, reading in enumerate(readings, start=1):
            if reading.taps:
                last = reading.taps[0]
            if count >= frames:
                break
        readings.cancel()
        return last


def shown(reading, field):
    """A number with two decimals; a dash for what is silent or not known yet."""
    known = reading is not None and (not reading.DESCRIPTOR.fields_by_name[field].has_presence or reading.HasField(field))
    value = getattr(reading, field) if known else math.nan
    return f"{value:.2f}" if math.isfinite(value) else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="127.0.0.1:7701", help="where the daemon answers, HOST:PORT")
    parser.add_argument("--seconds", type=float, default=10, help="how long to listen to each song (at least 1)")
    args = parser.parse_args()
    if args.seconds < 1:
        parser.error("--seconds: a measurement takes at least 1 s")
    try:
        rack = Rack(args.server)
    except grpc.FutureTimeoutError:
        sys.exit(f"no daemon answers at {args.server}; start one with `lathed`")
    try:
        rack.store(BEFORE)
        for name, values in SONGS.items():
            rack.recall(BEFORE)
            rack.set(values)
            rack.store(name)
        log = csv.writer(sys.stdout, lineterminator="\n")
        log.writerow(["song", "integrated_lufs", "momentary_max_lufs", "true_peak_max_dbtp"])
        for name in SONGS:
            rack.recall(name)
            reading = rack.listen(args.seconds)
            fields = ["integrated", "momentary_max", "true_peak_max"]
            log.writerow([name] + [shown(reading, f) for f in fields])
            sys.stdout.flush()
        rack.recall(BEFORE)
    except grpc.RpcError as e:
        sys.exit(f"{e.code().name}: {e.details()}")


main()
