"""Mutated CSV files: each row that is imported says what an independent reading of its line says.

A CSV file has no checksum, so a digit that changed is a different number, and right. Wrong is a
row that says something else than its line, a line of which nothing is told, or one that is doubled.
The reading here shares no code with `bench.csv_lines`: cells by hand, numbers as fractions.
"""

from fractions import Fraction

from bench import published
from tests.faults.fuzz_files import mutate

SPEED = "benchmark-infer-amp-nchw-pt291-cu130-rtx5090.csv"
ACCURACY = "results-imagenet.csv"
ROWS = 30
# What people and spreadsheets put into such files.
SPLINTERS = [b'"', b",", b"\n", b"\r\n", b"\r", b"-", b"+", b"e5", b".", b"0", b"9" * 25, b"1,000"]
SPLINTERS += [b"nan", b"inf", b"=1+1", b"\0", b"\xff", b" ", b"\t", b"\xef\xbb\xbf", "٣".encode()]


def speed_file():
    """Lines as timm publishes them; some are quoted, some leave something out."""
    head = "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count"
    lines = [f"{head},infer_gmacs,infer_macts"]
    for n in range(ROWS):
        rate, batch = 37.25 * (n + 1), 2 ** (n % 9)
        quoted = f'"{rate * 100:,.2f}"' if n % 5 == 0 else f"{rate:.2f}"
        step_ms = 1000 * batch / (rate * 100 if n % 5 == 0 else rate)
        counts = ",," if n % 7 == 0 else f"{n + 0.5:.2f},{n / 3:.2f},{n / 7:.2f}"
        lines.append(f"model_{n}.in1k,{160 + 32 * n},{quoted},{step_ms:.3f},{batch},{counts}")
    return "\n".join(lines).encode() + b"\n"


def accuracy_file():
    """Lines as timm publishes them, with Windows line ends and a byte order mark."""
    lines = ["model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation"]
    for n in range(ROWS):
        top1, top5 = 60 + n, 80 + n / 2
        lines.append(
            f"model_{n}.a1_in1k,{224 + n},{top1:.3f},{100 - top1:.3f},{top5:.3f},"
            f"{100 - top5:.3f},{n + 5.25:.2f},0.{90 + n % 10},bicubic"
        )
    return b"\xef\xbb\xbf" + "\r\n".join(lines).encode()


class CsvReader:
    """Imports mutants of one file; see survey in fuzz.py."""

    def __init__(self, folder, name, content, expect):
        self.folder = folder / "2026-08"
        self.folder.mkdir()
        self.path = self.folder / name
        self.content = content
        self.expect = expect
        self.read(content)
        assert not self.is_wrong(content)
        assert self.rows, "the file that is mutated is a good one"

    def read(self, content):
        self.path.write_bytes(content)
        speed, accuracy, report = published.read_folder(self.folder, renames={})
        self.rows = speed.to_pylist() + accuracy.to_pylist()
        return report

    def mutant(self, rng):
        if rng.random() < 0.5:
            return mutate(self.content, rng)
        data = bytearray(self.content)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            data[at : at + rng.randrange(3)] = rng.choice(SPLINTERS)
        return bytes(data)

    def is_wrong(self, mutant):
        report = self.read(mutant)
        lines = mutant.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        if not report.rows:
            # The file as a whole was refused, and said to be.
            return bool(self.rows) or len(report.problems) != 1
        below = [line for line in lines[1:] if line.strip()]
        told = sum(problem.line is not None for problem in report.problems)
        if len(self.rows) + told != len(below):
            return True
        header = [cell.strip() for cell in cells(lines[0])]
        refused = {problem.line for problem in report.problems}
        numbered = [
            line
            for number, line in enumerate(lines[1:], start=2)
            if line.strip() and number not in refused
        ]
        for line, row in zip(numbered, self.rows, strict=True):
            values = dict(zip(header, (cell.strip() for cell in cells(line)), strict=True))
            if any(row[name] != value for name, value in self.expect(values).items()):
                return True
        keys = [(row["model"], row["image_size"], row.get("batch_size")) for row in self.rows]
        return len(set(keys)) != len(keys)


def SpeedReader(folder):  # noqa: N802 - one of READERS
    return CsvReader(folder, SPEED, speed_file(), speed_values)


def AccuracyReader(folder):  # noqa: N802 - one of READERS
    return CsvReader(folder, ACCURACY, accuracy_file(), accuracy_values)


def cells(line):
    """The cells of a line, read character by character as RFC 4180 says."""
    found, cell, quoted, text = [], "", False, line.decode().removesuffix("\r")
    at = 0
    while at < len(text):
        character = text[at]
        if quoted and character == '"' and text[at + 1 : at + 2] == '"':
            cell, at = cell + '"', at + 1
        elif character == '"' and (quoted or not cell):
            quoted = not quoted
        elif character == "," and not quoted:
            found, cell = [*found, cell], ""
        else:
            cell += character
        at += 1
    return [*found, cell]


def fraction(text):
    """A number, exactly; commas part thousands."""
    whole, *groups = text.partition(".")[0].split(",")
    assert all(len(group) == 3 and group.isdigit() for group in groups), text
    assert not groups or 1 <= len(whole.lstrip("+-")) <= 3, text
    return Fraction(text.replace(",", ""))


def count(text, unit):
    """A count that is published in units; None where it says nothing."""
    return (round(fraction(text) * unit) or None) if text and fraction(text) else None


def speed_values(line):
    """What a row of the speed file must hold."""
    step, batch = line.get("infer_step_time"), line.get("infer_batch_size")
    return {
        "model": line["model"],
        "architecture": line["model"].split(".")[0],
        "image_size": fraction(line["infer_img_size"]),
        "images_per_s": float(fraction(line["infer_samples_per_sec"])),
        "step_s": float(fraction(step) / 1000) if step else None,
        "batch_size": fraction(batch) if batch else None,
        "parameters": count(line.get("param_count"), 10**6),
        "multiply_adds": count(line.get("infer_gmacs"), 10**9),
        "activations": count(line.get("infer_macts"), 10**6),
    }


def accuracy_values(line):
    """What a row of the accuracy file must hold."""
    top5, crop = line.get("top5"), line.get("crop_pct") or line.get("cropt_pct")
    return {
        "model": line["model"],
        "image_size": fraction(line["img_size"]),
        "top1_percent": float(fraction(line["top1"])),
        "top5_percent": float(fraction(top5)) if top5 else None,
        "parameters": count(line.get("param_count"), 10**6),
        "crop_fraction": float(fraction(crop)) if crop else None,
        "interpolation": line.get("interpolation") or None,
    }
