"""What can go wrong in a way that a person can act on.

Each message is one sentence or two: what was wrong, the value seen, what to do. The command line
shows it without a traceback, a page shows it in a box.
"""


class BenchError(Exception):
    """Anything this project refuses or cannot do, said in one clear sentence."""


class InvalidRequest(BenchError):
    """The caller asked for something that does not exist or makes no sense."""


class NotAllowed(BenchError):
    """The caller may not do this here: no permission, or the device is taken."""


class DeviceBusy(NotAllowed):
    """A run lives on the device, or others wait for it already."""


class UnreadableFile(BenchError):
    """A file that cannot be trusted: truncated, of another schema, or absurdly large."""


class Unreachable(UnreadableFile):
    """An object store that does not answer, refuses, or cannot be relied upon."""
