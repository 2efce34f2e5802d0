"""A CSV file that is not to be trusted, read line by line, and the numbers in its cells.

A file of this kind has no line breaks inside cells. Reading each line for itself confines damage
(a stray quotation mark, a byte that is not UTF-8) to the line that has it.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from bench.errors import InvalidRequest

LARGEST_FILE_BYTES = 64 * 2**20
LARGEST_NUMBER = 10**15

_NUMBER = re.compile(
    r"[+-]?(\d{1,20}|\d{1,3}(,\d{3}){1,6})(\.\d{0,20})?([eE][+-]?\d{1,2})?", re.ASCII
)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}", re.ASCII)


class RefusedError(Exception):
    """Why one line is not taken, in a few words."""


def lines(file: Path, required: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str] | str]]:
    """The lines below the header: their number, and their cells by column or what is wrong.

    Blank lines are left out. Cells lose the blanks around them.

    Args:
        file: UTF-8, with or without a byte order mark; any line ending but a lone carriage return.
        required: columns without which the file is not what its name says.

    Raises:
        InvalidRequest: the file cannot be read, is too large, or its header is wrong.
    """
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise InvalidRequest(f"larger than {LARGEST_FILE_BYTES // 2**20} MiB")
        raw = file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise InvalidRequest(f"cannot be read: {error.strerror}") from error
    try:
        header = _cells(raw[0])
    except RefusedError as refused:
        raise InvalidRequest(f"its header is wrong: {refused}") from refused
    if lacking := [name for name in required if name not in header]:
        raise InvalidRequest(f"its header is wrong: no column {', '.join(lacking)}")
    if len(set(header)) != len(header):
        raise InvalidRequest("its header is wrong: a column appears twice")
    return _below(header, raw[1:])


def _below(header: list[str], raw: list[bytes]) -> Iterator[tuple[int, dict[str, str] | str]]:
    for number, line in enumerate(raw, start=2):
        if not line.strip():
            continue
        try:
            cells = _cells(line)
        except RefusedError as refused:
            yield number, str(refused)
            continue
        if len(cells) == len(header):
            yield number, dict(zip(header, cells, strict=True))
        else:
            yield number, f"has {len(cells)} cells, the header has {len(header)}"


def _cells(line: bytes) -> list[str]:
    try:
        (cells,) = csv.reader([line.decode().removesuffix("\r")], strict=True)
    except UnicodeDecodeError as error:
        raise RefusedError("not UTF-8 text") from error
    except (csv.Error, ValueError) as error:
        raise RefusedError("not readable as CSV") from error
    return [cell.strip() for cell in cells]


def name(cells: Mapping[str, str], column: str) -> str:
    """The cell's text, which must be a name: letters, digits and `_.+-`.

    Raises RefusedError where it is empty or something else.
    """
    text = cells[column]
    if not text:
        raise RefusedError(f"incomplete: no {column}")
    if not _NAME.fullmatch(text):
        raise RefusedError(f"{column} is not a name: {text[:40]!r}")
    return text


def number(cells: Mapping[str, str], column: str) -> Decimal | None:
    """The cell's exact value, with or without commas between thousands.

    None where there is no such column. Raises RefusedError where the cell is empty, or not a finite
    number.
    """
    if column not in cells:
        return None
    text = cells[column]
    if not text:
        raise RefusedError(f"incomplete: no {column}")
    if _NOT_FINITE.fullmatch(text):
        raise RefusedError(f"{column} is not finite: {text}")
    if not _NUMBER.fullmatch(text):
        raise RefusedError(f"{column} is not a number: {text[:40]!r}")
    return Decimal(text.replace(",", ""))


def positive(cells: Mapping[str, str], column: str) -> Decimal | None:
    """As `number`, greater than zero, and no more than anything that this project reads."""
    value = number(cells, column)
    if value is not None and not 0 < value < LARGEST_NUMBER:
        raise RefusedError(f"{column} must be positive and below 10**15: {cells[column]}")
    return value


def whole(cells: Mapping[str, str], column: str, largest: int) -> int | None:
    """As `positive`, a whole number up to largest; `1024.0` is one."""
    value = positive(cells, column)
    if value is None:
        return None
    if value != value.to_integral_value():
        raise RefusedError(f"{column} must be a whole number: {cells[column]}")
    if value > largest:
        raise RefusedError(f"{column} must be at most {largest}: {cells[column]}")
    return int(value)


def scaled(cells: Mapping[str, str], column: str, power: int) -> int | None:
    """A count published in units of 10**power, exactly.

    None where the cell is empty, or 0: too small for the unit is unknown. Raises RefusedError where
    it is not a finite number, negative, or too large for 64 bits.
    """
    if not cells.get(column):
        return None
    if number(cells, column) == 0:
        return None
    value = positive(cells, column)
    assert value is not None  # the column is there
    count = int(value.scaleb(power).to_integral_value())
    if count >= 2**63:
        raise RefusedError(f"{column} is too large: {cells[column]}")
    return count


def percentage(cells: Mapping[str, str], column: str) -> Decimal | None:
    """As `number`, from 0 to 100; None also where the cell is empty."""
    if not cells.get(column):
        return None
    value = number(cells, column)
    if value is not None and not 0 <= value <= 100:
        raise RefusedError(f"{column} must be from 0 to 100: {cells[column]}")
    return value


def fraction(cells: Mapping[str, str], column: str) -> Decimal | None:
    """As `positive`, up to 2 (a crop of 1.15 pads the image); None also where the cell is empty."""
    if not cells.get(column):
        return None
    value = positive(cells, column)
    if value is not None and value > 2:
        raise RefusedError(f"{column} must be at most 2: {cells[column]}")
    return value
