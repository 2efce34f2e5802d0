"""Mutated input: none may crash the reader, hang it, or be read as something else than it was.

python -m tests.faults.fuzz parquet SEED COUNT      reads COUNT mutants, in this process, and says
                                                    each one's number first
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.worker_process import ROOT
from tests.faults.fuzz_csv import AccuracyReader, SpeedReader
from tests.faults.fuzz_files import JournalReader, ParquetReader
from tests.faults.fuzz_links import LinkReader

# Of the processor's time: that of the day says more about who else uses the machine.
HANG_S = 5.0
# One that waits for ever uses none.
GIVE_UP_S = 60

READERS = {
    "parquet": ParquetReader,
    "journal": JournalReader,
    "speed_csv": SpeedReader,
    "accuracy_csv": AccuracyReader,
    "link": LinkReader,
}
# A link draws a whole page, a thousand times the work of reading a file.
SHARE = {"link": 1 / 50}


def share(kind, count):
    """How many mutants of this kind there are where there are so many files of a kind."""
    return max(1, round(count * SHARE.get(kind, 1)))


def survey(kind, seed, count):
    """Read mutants in other processes. Returns (crashed, hung, wrong), each with its seeds."""
    crashed, hung, wrong = [], [], []
    end = seed + count
    while seed < end:
        command = [sys.executable, "-m", "tests.faults.fuzz", kind, str(seed), str(end - seed)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        lines = done.stdout.splitlines()
        hung += [int(line.split()[1]) for line in lines if line.startswith("hang")]
        wrong += [int(line.split()[1]) for line in lines if line.startswith("wrong")]
        if lines and lines[-1] == "end":
            break
        # The process died of the last one that it told of.
        last = next((int(line) for line in reversed(lines) if line.isdigit()), seed)
        (hung if done.returncode == -signal.SIGALRM else crashed).append(last)
        seed = last + 1
    return crashed, hung, wrong


def main():
    kind, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        reader = READERS[kind](Path(folder))
        for number in range(seed, seed + count):
            # Told first, so that whoever watches knows which one this process died of.
            _say(number)
            mutant = reader.mutant(random.Random(number))
            began = _computed_s()
            signal.alarm(GIVE_UP_S)
            if reader.is_wrong(mutant):
                _say(f"wrong {number}")
            signal.alarm(0)
            if _computed_s() - began > HANG_S:
                _say(f"hang {number}")
    _say("end")


def _computed_s():
    """The processor's time of this process and of those that it started."""
    return sum(os.times()[:4])


def _say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
