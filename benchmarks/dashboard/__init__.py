"""How fast the dashboard is: in a browser, with many sessions, with many points, over time.

    python -m benchmarks.dashboard all

Every part starts servers of its own on free loopback ports, unless it is given addresses.
"""

import sys
from pathlib import Path

# What starts a server and what looks into a chart is the tests' own.
sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "tests"))
