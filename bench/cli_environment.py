"""The command `environment`: the devices here, and what would be stored with a run on one."""

import tempfile
from typing import TYPE_CHECKING

import click

from bench import cli_output as out
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.records import Environment


@click.command(epilog="Example: python -m bench environment --json")
@click.option("--device", help="cpu, cuda:0, ...  [default: the first GPU, else the CPU]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def environment(*, device: str | None, as_json: bool) -> None:
    """The devices here, whether a run can use them, and what would be stored with a run.

    That is asked of a worker, as a run starts it: some seconds. A device on which a run measures is
    left alone.
    """
    from bench import devices as d
    from bench import locks

    found = d.devices()
    chosen = found[0] if device is None else d.check_device(device)
    stored = None
    if (holder := locks.holder(chosen.lock)) is not None:
        click.echo(out.printable(d.busy(chosen, holder)), err=True)
    elif chosen.usable:
        stored = of_a_worker(chosen.id)
    if as_json:
        out.print_json(
            [
                {
                    "id": device.id,
                    "kind": device.kind,
                    "name": device.name,
                    "memory_bytes": device.memory_bytes,
                    "reason": device.reason,
                    "environment": stored.to_json() if stored and device is chosen else None,
                }
                for device in found
            ]
        )
        return
    out.table(
        ["device", "name", "memory", "can be used"],
        [
            [
                device.id,
                device.name,
                f"{device.memory_bytes / 2**30:.1f} GiB" if device.memory_bytes else "",
                device.reason or "yes",
            ]
            for device in found
        ],
    )
    if stored is not None:
        facts = stored.to_json()
        facts |= facts.pop("details")
        click.echo()
        out.table(
            [f"stored with a run on {chosen.id}", ""],
            [[name, "unknown" if value is None else str(value)] for name, value in facts.items()],
        )


def of_a_worker(device: str) -> "Environment":
    """What a worker says of where it runs, when it is ready. Raises BenchError where it is not."""
    from bench import answers
    from bench.sweep import LIMITS
    from bench.worker_process import ProtocolError, WorkerProcess, command_line

    with tempfile.TemporaryFile() as log:
        worker = WorkerProcess(command_line(device), log)
        try:
            said = worker.receive(LIMITS.start_s)
            return answers.environment(said or {"type": "leaving", "reason": "it says nothing"})
        except EOFError:
            worker.wait(LIMITS.leave_s)
            raise BenchError(f"a worker on {device} {worker.died_of()[1]}") from None
        except (ProtocolError, answers.NotAnAnswer) as error:
            raise BenchError(f"a worker on {device} does not start: {error}") from error
        finally:
            worker.end(LIMITS.grace_s)
