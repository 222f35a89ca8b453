# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reads TouchOSC layouts with py2tosc: tosc.py FILE... One JSON object a file goes to stdout.

`same` says that what it understood, written again, is what was read: nothing in the file is unknown to it.
"""

import json
import sys
import zlib

import py2tosc
from py2tosc.codec import to_xml

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        text = zlib.decompress(file.read()).decode()
    layout = py2tosc.load(path)
    same = to_xml(layout.root, version=layout.version) == text
    issues = [str(issue) for issue in layout.validate()]
    print(json.dumps({"controls": len(list(layout.walk())), "same": same, "issues": issues}))
