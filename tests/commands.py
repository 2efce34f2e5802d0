"""What tests of the command line share: what a command printed, and the one line of an error."""

import csv
import io

RTX5090 = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"
RTX3090_OLD = "2022-07-timm-rtx3090-amp-fp16-nchw-pt1.11-cu11.3"


def rows_of(result):
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def complaint(result):
    """The one line of an error, without click's usage hint; never a traceback."""
    assert result.exit_code != 0
    assert "Traceback" not in result.output
    *hint, line = result.stderr.strip().split("\n")
    assert line.startswith("Error: ")
    assert all(text.startswith(("Usage:", "Try ")) or not text for text in hint)
    return line
