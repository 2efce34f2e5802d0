"""`--executor`: which ones there are here, and why another is no choice."""

from typing import Any

import click

from bench import executors


class ExecutorName(click.ParamType[str]):
    """`local`, or `ray` where it is installed; otherwise the reason why it is no choice."""

    name = "executor"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The choices that there are."""
        del param, ctx
        return f"[{'|'.join(executors.available())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """One that is there."""
        if reason := executors.why_absent(value):
            self.fail(reason, param, ctx)
        return str(value)
