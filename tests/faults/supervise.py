"""The real supervisor, with the worker of `tests/faults` and short deadlines.

python -m tests.faults.supervise RUN DATA LOCK_FD WORKER_JSON LIMITS_JSON
"""

import json
import sys
from pathlib import Path

from bench import run_folder, supervisor
from bench.sweep import Limits


def main():
    run, data, lock, worker, limits = sys.argv[1:]
    supervisor.supervise(
        run_folder.existing(run, Path(data)),
        None if lock == "None" else int(lock),
        worker=json.loads(worker),
        limits=Limits(**json.loads(limits)),
    )


if __name__ == "__main__":
    main()
