# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reads TouchOSC layouts with py2tosc and runs their script in Lua 5.1, with the app's functions played here.

tosc.py FILE... One JSON object a file goes to stdout. `same` says that what was understood, written again, is
what was read: nothing in the file is unknown. `sent` is what the script sends in its first 9 s, with the time
in ms; `listed` is what its label shows after a list of snapshots came.
"""

import json
import sys
import zlib

import lupa.lua51
import py2tosc
from py2tosc.codec import to_xml


def plain(value):
    """A Lua table as a list if it counts from 1, else as a dict."""
    if lupa.lua51.lua_type(value) != "table":
        return value
    keys = list(value)
    if keys == list(range(1, len(keys) + 1)):
        return [plain(value[k]) for k in keys]
    return {k: plain(value[k]) for k in keys}


def run(layout):
    now, sent = 0, []
    label = layout.find("snapshot list")
    shown = {"text": None}
    lua = lupa.lua51.LuaRuntime()
    world = lua.globals()
    world.getMillis = lambda: now
    world.sendOSC = lambda message: sent.append([now, plain(message)])
    world.shown = lua.table_from(shown)
    lua.execute(
        "self = { findByName = function(self, name, recursive)"
        " if name == 'snapshot list' and recursive then return { values = shown } end end }"
    )
    lua.execute(str(layout.root.get("script")))
    for now in range(0, 9000, 100):
        world.update()
    other = world.onReceiveOSC(lua.table_from(["/rack/bypass", lua.table_from([])]), None)
    names = lua.table_from([lua.table_from({"tag": "s", "value": n}) for n in ("A", "Mix 3")])
    took = world.onReceiveOSC(lua.table_from(["/snapshot/list", names]), None)
    return sent, world.shown.text if label is not None and took and not other else None


for path in sys.argv[1:]:
    with open(path, "rb") as file:
        text = zlib.decompress(file.read()).decode()
    layout = py2tosc.load(path)
    sent, listed = run(layout)
    saw = {
        "controls": len(list(layout.walk())),
        "same": to_xml(layout.root, version=layout.version) == text,
        "issues": [str(issue) for issue in layout.validate()],
        "sent": sent,
        "listed": listed,
    }
    print(json.dumps(saw))
