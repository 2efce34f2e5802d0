"""Press the button many times at once, as one dashboard with many sessions would.

python -m tests.faults.press DATA PLAN_JSON TIMES [MOMENT]

Prints the ids that came back, one a line. MOMENT is the reading of the system's monotonic clock at
which to press, so that several processes press together. Every second press would wait in line.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import runs
from bench.errors import NotAllowed
from bench.permission import COMMAND_LINE
from tests.faults import stage


def main():
    data, plan, times = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
    moment = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    start = stage.start_with(plan)
    runs.devices()

    def press(number):
        time.sleep(max(0.0, moment - time.monotonic()))
        request = stage.request(*stage.NAMES)
        try:
            return runs.submit(request, data, by=COMMAND_LINE, queue=number % 2 == 1, start=start)
        except NotAllowed:
            return None

    with ThreadPoolExecutor(times) as pool:
        for run in pool.map(press, range(times)):
            if run is not None:
                sys.stdout.write(f"{run}\n")


if __name__ == "__main__":
    main()
