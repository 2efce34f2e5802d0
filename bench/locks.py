"""The device lock: a held lock is a live run.

One lock file per device, in one place per user on a local disk, so that two data folders exclude
each other too. Whoever submits takes the lock and hands the open descriptor to the supervisor,
which holds it as long as it lives: there is no moment between the two when the device looks free,
and the operating system frees it however the supervisor dies.
"""

import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock

from bench.errors import BenchError, InvalidRequest, NotAllowed
from bench.records import Record, dumps

# Whoever only looks whether a lock is held takes it shared for some microseconds; a taker that
# meets them tries again, for so long at most.
LOOKERS_S = 5.0
ADMISSION_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder(Record):
    """Who holds a device or waits for it: the run, where its folder lies, and its supervisor.

    ticket orders those that wait: the lower ones are before the higher ones.
    """

    run: str
    data: str
    pid: int | None = None
    # See processes.began: a process id alone may be somebody else's by now.
    began: float | None = None
    ticket: int = 0


def folder() -> Path:
    """Where the locks of this user lie: $BENCH_LOCKS, else below /var/tmp; made when missing.

    Raises NotAllowed when the folder belongs to somebody else, BenchError when it cannot be made.
    """
    # Not the home folder, which may be on a network; not a run folder, which a logout may empty.
    own = f"/var/tmp/best-image-models-{os.getuid()}"  # noqa: S108 - made 0700, its owner checked
    path = Path(os.environ.get("BENCH_LOCKS") or own)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.lstat().st_uid
    except OSError as error:
        raise BenchError(f"the lock folder {path} cannot be made: {error.strerror}") from error
    if owner != os.getuid():
        raise NotAllowed(f"the lock folder {path} belongs to user {owner}; set BENCH_LOCKS")
    return path


@contextmanager
def admission() -> Iterator[None]:
    """One at a time: submit, resume and recover of this user.

    Raises BenchError when somebody else stays inside for ADMISSION_TIMEOUT_S.
    """
    refusal = f"others have been starting runs for {ADMISSION_TIMEOUT_S:.0f} s; try again"
    give_up = time.monotonic() + ADMISSION_TIMEOUT_S
    # Of a server's many sessions one at a time asks for the file: a hundred that look a hundred
    # times a second would leave no time to whoever is inside.
    if not _sessions.acquire(timeout=ADMISSION_TIMEOUT_S):
        raise BenchError(refusal)
    try:
        lock = filelock.FileLock(folder() / "admission.lock", poll_interval=0.01)
        try:
            lock.acquire(timeout=max(0.0, give_up - time.monotonic()))
        except filelock.Timeout as error:
            raise BenchError(refusal) from error
        try:
            yield
        finally:
            lock.release()
    finally:
        _sessions.release()


_sessions = threading.Lock()


def take(device: str, holder: Holder) -> int | None:
    """Take a device's lock.

    Args:
        device: the GPU's UUID, or `cpu`.
        holder: written beside the lock.

    Returns:
        An open descriptor that holds the lock until its last copy is closed; None: it is held.
    """
    path = _path(device, "lock")
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            locked = lock_file(handle, path)
            if locked and is_of(handle, device):
                # Whatever clears away old files must not take one that is in use for one.
                os.utime(handle)
                write_holder(device, holder)
                return handle
        except BaseException:
            with suppress(OSError):
                os.close(handle)
            raise
        os.close(handle)
        if not locked:
            return None
        # Whoever held it has removed the file since it was opened: see `forget`.


def write_holder(device: str, holder: Holder) -> None:
    """Say who holds the lock. Only for whoever holds it."""
    temporary = _path(device, f"{os.getpid()}.tmp")
    temporary.write_text(dumps(holder.to_json()) + "\n", encoding="utf-8")
    temporary.replace(_path(device, "json"))


def forget(device: str) -> None:
    """Remove the files of a lock that nobody will want again. Only for whoever holds it."""
    for ending in ("json", "lock"):
        _path(device, ending).unlink(missing_ok=True)


def beat(device: str) -> None:
    """A sign of life from whoever holds the lock."""
    os.utime(_path(device, "json"))


def last_beat(device: str) -> int:
    """A number that changes with each sign of life; 0 when there never was one."""
    try:
        return _path(device, "json").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def lock_file(handle: int, path: Path) -> bool:
    """Lock an open file until its last descriptor is closed; False: somebody else has locked it.

    Args:
        handle: the open file.
        path: its path, to look who is in the way.
    """
    give_up = time.monotonic() + LOOKERS_S
    while not filelock.lock_descriptor(handle, blocking=False):
        if is_locked(path) or time.monotonic() > give_up:
            return False
        time.sleep(0.001)
    return True


def is_locked(path: Path) -> bool:
    """Whether `lock_file` holds this file now, here or in another process."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who look at once do not take each other for a holder.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def holder(device: str) -> Holder | None:
    """Who holds the device's lock now; None when it is free."""
    if not is_locked(_path(device, "lock")):
        return None
    try:
        values = json.loads(_path(device, "json").read_text(encoding="utf-8"))
        return Holder.from_json(values)
    except (OSError, ValueError, TypeError, InvalidRequest):
        # Taken this instant and not yet signed.
        return Holder(run="", data="")


def holders() -> list[Holder]:
    """Who holds a device, a place in a queue, or anything else of this user, now."""
    found = [holder(path.stem) for path in sorted(folder().glob("*.lock"))]
    return [one for one in found if one is not None]


def is_of(handle: int, device: str) -> bool:
    """Whether this open descriptor is of this lock's file."""
    try:
        return os.path.samestat(os.fstat(handle), _path(device, "lock").stat())
    except FileNotFoundError:
        return False


def _path(device: str, ending: str) -> Path:
    return folder() / f"{re.sub(r'[^A-Za-z0-9-]', '_', device)}.{ending}"
