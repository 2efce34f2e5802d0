"""Faults of what surrounds a run: the disk, the files, the clock, the memory, other dashboards."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench import runs, store
from bench.errors import BenchError, InvalidRequest
from bench.permission import COMMAND_LINE
from bench.worker_process import ROOT
from tests.faults import stage
from tests.faults.audit import Damage, audit

SLOW = dict.fromkeys(stage.NAMES, "slow:0.05")


class NotPossibleHere(Exception):
    """This machine does not allow to bring about the fault."""


@contextlib.contextmanager
def small_disk(path, *, mebibytes):
    """A file system of its own size at path, which the administrator can make."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(path)]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotPossibleHere("mounting a small tmpfs takes an administrator") from error
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def full_disk(folder, rng):
    """The disk fills up while a run measures: what was measured is published, the rest resumed."""
    data, answers = folder / "disk" / "data", folder / "answers"
    with small_disk(folder / "disk", mebibytes=80):
        start = stage.start_with(SLOW, options=("--answers", str(answers)))
        run = runs.submit(stage.request(*stage.NAMES), data, by=COMMAND_LINE, start=start)
        rows = rng.randint(1, 3)
        stage.until(lambda: runs.status(run, data).done >= rows, "some rows")
        ballast = folder / "disk" / "ballast"
        _fill(ballast)
        end = stage.over(run, data)
        told = end.state in ("partial", "failed") and "No space left" in (end.error or "")
        # The disk may have filled up too late to matter.
        damage = Damage(corrupt=int(not (told or end.state == "done")))
        damage.lost += end.done if not end.published else 0
        damage += audit(run, data, answers=answers)
        with contextlib.suppress(InvalidRequest):
            runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
            damage.corrupt += 1
        ballast.unlink()
        if end.done < end.total:
            runs.resume(run, data, by=COMMAND_LINE, start=start)
            end = stage.over(run, data)
        damage.lost += end.total - end.done
        return damage + audit(run, data, answers=answers, in_flight=1)


def disk_that_stays_full(folder, rng):
    """Somebody takes the run's reserve too: nothing can be published until there is space."""
    data, answers = folder / "disk" / "data", folder / "answers"
    with small_disk(folder / "disk", mebibytes=80):
        start = stage.start_with(SLOW, options=("--answers", str(answers)))
        run = runs.submit(stage.request(*stage.NAMES), data, by=COMMAND_LINE, start=start)
        rows = rng.randint(1, 3)
        stage.until(lambda: runs.status(run, data).done >= rows, "some rows")
        ballast = folder / "disk" / "ballast"

        def over_while_full():
            _fill(ballast)
            return not runs.status(run, data).alive

        stage.until(over_while_full, "the end of the run")
        runs.recover(data)
        ballast.unlink()
        damage = audit(run, data, answers=answers)
        end = runs.status(run, data)
        if end.done < end.total:
            runs.resume(run, data, by=COMMAND_LINE, start=start)
            end = stage.over(run, data)
        damage.lost += end.total - end.done
        return damage + audit(run, data, answers=answers)


def _fill(ballast):
    """Take all the space that is free now, at once: what the run frees later stays free."""
    with ballast.open("ab", buffering=0) as file:
        size, step = file.tell(), 64 * 2**20
        while step >= 4096:
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError:
                step //= 2


def read_only_folder(folder, rng):
    """Nothing can be started in it, in one sentence; what is there is still shown."""
    with contextlib.ExitStack() as stack:
        if os.getuid() == 0:
            # Permissions do not bind an administrator; a read-only file system does.
            stack.enter_context(small_disk(folder / "disk", mebibytes=80))
        data = folder / "disk" / "data"
        run = stage.submit(data, "test_vit")
        stage.over(run, data)
        damage = audit(run, data)
        if os.getuid() == 0:
            remount = ["mount", "-o", "remount,ro", str(folder / "disk")]
            # The supervisor has its log open until it is gone.
            stage.until(
                lambda: subprocess.run(remount, capture_output=True, check=False).returncode == 0,
                "a read-only file system",
            )
        else:
            (data / "runs").chmod(0o555)
            stack.callback((data / "runs").chmod, 0o755)
        try:
            stage.submit(data, "test_vit")
            damage.corrupt += 1
        except InvalidRequest as refusal:
            damage.corrupt += "cannot be written" not in str(refusal)
        damage.lost += [now.run for now in runs.list_runs(data)] != [run]
        damage.lost += len(runs.measurements(run, data)) != 1
        return damage + Damage(corrupt=len(runs.recover(data)))


def torn_journal(folder, rng):
    """The journal of a run that died ends anywhere; what is left of it is whole rows."""
    data = folder / "data"
    run = stage.submit(data, *stage.NAMES[:5], plan={stage.NAMES[4]: "slow:600"})
    stage.measuring(run, data, stage.NAMES[4])
    stage.supervisor_of(data, run).kill()
    stage.over(run, data)
    path = data / "runs" / run / "journal.jsonl"
    text = path.read_bytes()
    first = text.index(b"\n") + 1
    path.write_bytes(text[: rng.randint(first, len(text))])
    damage = audit(run, data)
    runs.resume(run, data, by=COMMAND_LINE, start=stage.start_with())
    end = stage.over(run, data)
    damage.lost += end.total - end.done
    return damage + audit(run, data)


def damaged_parquet(folder, rng):
    """A damaged file is named and left out, or reads as it was; the others stay."""
    data = folder / "data"
    good = stage.submit(data, *stage.NAMES)
    stage.over(good, data)
    source = data / "runs" / good / "results.parquet"
    as_it_was = store.read(source, store.SPEED_SCHEMA)
    damage = audit(good, data)
    for number, make in enumerate((_cut, _flip, _flip, _flip, _empty, _other_schema, _bomb)):
        path = folder / f"{number}.parquet"
        make(source, path, rng)
        frame, problems = store.load([source, path], store.SPEED_SCHEMA, replaces="run")
        damage.lost += len(as_it_was) - len(frame)
        if not problems:
            damage.corrupt += not store.read(path, store.SPEED_SCHEMA).equals(as_it_was)
    return damage


def _cut(source, path, rng):
    content = source.read_bytes()
    path.write_bytes(content[: rng.randrange(1, len(content))])


def _flip(source, path, rng):
    content = bytearray(source.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _empty(source, path, rng):
    path.touch()


def _other_schema(source, path, rng):
    pq.write_table(pa.table({"run": [1], "model": ["x"]}), path)


def _bomb(source, path, rng):
    """A small file of very many equal values."""
    column = pa.nulls(20_000_000, pa.int8())
    pq.write_table(pa.table({str(n): column for n in range(6)}), path, compression="zstd")


def two_dashboards(folder, rng):
    """Two servers on one folder both find the run that died, and both publish it."""
    data = folder / "data"
    run = stage.submit(data, "test_vit", "test_nfnet", plan={"test_nfnet": "slow:600"})
    stage.measuring(run, data, "test_nfnet")
    program = (
        "import sys; from pathlib import Path; from bench import runs; folder = Path(sys.argv[1])\n"
        "while not any(now.published for now in runs.list_runs(folder)):\n"
        "    problems = runs.recover(folder)\n"
        "    if problems: sys.exit(problems[0])\n"
    )
    looking = [
        subprocess.Popen([sys.executable, "-c", program, str(data)], cwd=ROOT) for _ in range(2)
    ]
    stage.supervisor_of(data, run).kill()
    statuses = [process.wait(60) for process in looking]
    damage = audit(run, data)
    found = [event["event"] for event in stage.events(data, run)]
    damage.duplicated += found.count("recovered") - 1
    damage.corrupt += statuses != [0, 0]
    return damage


def clock_jump(folder, rng):
    """The time of day jumps by a day, there or back, while a run measures."""
    data, jumped = folder / "data", folder / "jumped"
    library = _shifting_clock(folder)
    inner = stage.start_with(SLOW)

    def start(run_folder, lock):
        before = dict(os.environ)
        os.environ.update(LD_PRELOAD=str(library), JUMPED=str(jumped))
        os.environ["JUMP_S"] = str(rng.choice([-86400, 86400]))
        try:
            return inner(run_folder, lock)
        finally:
            os.environ.clear()
            os.environ.update(before)

    run = runs.submit(stage.request(*stage.NAMES), data, by=COMMAND_LINE, start=start)
    stage.until(lambda: runs.status(run, data).done >= 2, "some rows")
    jumped.touch()
    now = runs.status(run, data)
    damage = Damage(corrupt=int(now.eta_s is not None and not 0 <= now.eta_s < 600))
    end = stage.over(run, data)
    damage.lost += end.total - end.done
    damage.corrupt += end.state != "done"
    return damage + audit(run, data, in_flight=0)


_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, now);
    if (id == CLOCK_REALTIME && access(getenv("JUMPED"), F_OK) == 0)
        now->tv_sec += atol(getenv("JUMP_S"));
    return status;
}
"""


def _shifting_clock(folder):
    """A library that shifts the time of day of a process once a file is there."""
    if shutil.which("cc") is None or sys.platform != "linux":
        raise NotPossibleHere("shifting one process's clock takes Linux and a C compiler")
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(_CLOCK)
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


def out_of_memory_kill(folder, rng):
    """The kernel kills a worker that wants more memory than its control group has."""
    with _small_memory(f"bench-{folder.name}-{os.getpid()}") as group:
        data = folder / "data"
        run = stage.submit(
            data, "test_vit", "test_nfnet", "test_resnet", plan={"test_nfnet": f"eat:{group}"}
        )
        end = stage.over(run, data)
        damage = audit(run, data, in_flight=0)
        damage.lost += end.total - end.done
        damage.corrupt += end.failures != {"out_of_memory": 1}
        return damage


@contextlib.contextmanager
def _small_memory(name):
    """A control group with 64 MiB; the kernel makes its files, so they are there or it is none."""
    for parent, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = parent / name
        if not (parent / "cgroup.procs").exists() or not os.access(parent, os.W_OK):
            continue
        group.mkdir()
        try:
            if (group / limit).exists():
                (group / limit).write_text(str(64 * 2**20))
                yield group
                return
        finally:
            group.rmdir()
    raise NotPossibleHere("a control group with little memory takes an administrator")


def unreadable_request(folder, rng):
    """A request that was damaged ends its run as failed, and is listed with the reason."""
    data = folder / "data"
    inner = stage.start_with()

    def start(run_folder, lock):
        path = run_folder.path / "request.json"
        content = path.read_bytes()
        path.write_bytes(content[: rng.randrange(len(content) - 2)])
        return inner(run_folder, lock)

    run = runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
    end = stage.over(run, data)
    damage = Damage(corrupt=int(end.state != "failed" or "cannot be read" not in end.error))
    with contextlib.suppress(BenchError):
        runs.resume(run, data, by=COMMAND_LINE)
        damage.corrupt += 1
    return damage + audit(run, data)
