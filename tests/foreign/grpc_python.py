# SPDX-License-Identifier: MIT OR Apache-2.0
"""grpcio against a daemon that it knows only by reflection: grpc_python.py HOST:PORT.

What it saw goes to stdout as one JSON object.
"""

import json
import math
import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SECONDS = 10
TRIM = "trim/trim"


class Service:
    """A service by its name: a method is a function that takes fields and gives the answer."""

    def __init__(self, channel, pool, name):
        self._channel, self._name = channel, name
        self._methods = {m.name: m for m in pool.FindServiceByName(name).methods}

    def call(self, method, fields=None):
        m = self._methods[method]
        request = message_factory.GetMessageClass(m.input_type)(**(fields or {}))
        answer = message_factory.GetMessageClass(m.output_type)
        kind = self._channel.unary_stream if m.server_streaming else self._channel.unary_unary
        rpc = kind(
            f"/{self._name}/{method}",
            request_serializer=lambda r: r.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return rpc(request, timeout=SECONDS)


def values(*items):
    return {"items": [{"address": a, "real": v} for a, v in items]}


def main():
    target = sys.argv[1]
    one, other = grpc.insecure_channel(target), grpc.insecure_channel(target)
    known = ProtoReflectionDescriptorDatabase(one)
    pool = descriptor_pool.DescriptorPool(known)
    rack = Service(one, pool, "lathe.v1.RackService")
    snapshots = Service(one, pool, "lathe.v1.SnapshotService")
    meters = Service(one, pool, "lathe.v1.MeterService")
    saw = {"services": sorted(known.get_services())}

    rack.call("SetValues", values((TRIM, -3)))
    read = lambda: rack.call("GetValues", {"addresses": [TRIM]}).values[0].real
    saw["read_back"] = read()
    watch = rack.call("WatchRack")
    assert next(watch).WhichOneof("change") == "rack", "the full state comes first"
    Service(other, pool, "lathe.v1.RackService").call("SetValues", values((TRIM, -6)))
    changes = (v for m in watch if m.WhichOneof("change") == "values" for v in m.values.values)
    saw["feedback"] = next(v.real for v in changes if v.address == TRIM and v.real == -6)
    watch.cancel()
    momentary = (m.taps[0].momentary for m in meters.call("WatchMeters", {"hz": 20}) if m.taps)
    saw["meter"] = next(v for v in momentary if math.isfinite(v) and v < 0)
    snapshots.call("CreateSnapshot", {"name": "grpcio", "author": "grpcio"})
    rack.call("SetValues", values((TRIM, -12)))
    snapshots.call("RecallSnapshot", {"name": "grpcio"})
    saw["recalled"] = read()
    try:
        rack.call("SetValues", values((TRIM, 99)))
    except grpc.RpcError as e:
        saw["refusal"] = f"{e.code().name} {e.details()}"
    print(json.dumps(saw))


main()
