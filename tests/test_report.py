"""A report is one file that loads nothing, whatever names it holds, with the figures of points."""

import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dashboard import publish_accuracy, publish_speeds
from harness import REPOSITORY

from bench.__main__ import main

LARGEST_BYTES = 3_000_000
RTX_4090 = "2026-08-timm-rtx4090-amp-fp16-nchw-pt2.9.1-cu12.8-compiled"
HOSTILE = '</script><img src=x onerror="hacked=1"><!--<b>&amp;'


def bench(*arguments: object, data: Path) -> Result:
    result = CliRunner().invoke(
        main,
        [str(one) for one in arguments],
        prog_name="python -m bench",
        env={"BENCH_DATA": str(data)},
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def complaint(*arguments: object, data: Path) -> str:
    """The one line of an error."""
    result = bench(*arguments, data=data)
    assert result.exit_code != 0
    *hint, line = result.stderr.strip().split("\n")
    assert all(text.startswith(("Usage:", "Try ")) or not text for text in hint)
    return line


class Seen(HTMLParser):
    """Every element with its attributes and the text right inside it, as a browser parses them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append([])

    def handle_endtag(self, tag: str) -> None:
        self.handle_starttag(f"/{tag}", [])

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1].append(data)

    def text_of(self, tag: str, **attributes: str) -> list[str]:
        """What follows each such start tag, up to the next tag."""
        return [
            "".join(text)
            for (name, found), text in zip(self.elements, self.texts, strict=True)
            if name == tag and attributes.items() <= found.items()
        ]

    @property
    def text(self) -> str:
        return " ".join("".join(part for text in self.texts for part in text).split())

    @property
    def data(self) -> dict:
        (text,) = self.text_of("script", id="data")
        return json.loads(text)

    @property
    def points(self) -> list[dict]:
        columns = self.data["points"]
        return [
            {
                name: values[row] if isinstance(values, list) else values["all"]
                for name, values in columns.items()
            }
            for row in range(self.data["length"])
        ]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of what the dashboard opens with."""
    folder = tmp_path_factory.mktemp("report")
    assert bench("report", folder / "page.html", data=folder / "data").exit_code == 0
    return folder / "page.html"


def test_every_figure_is_that_of_points(page: Path, tmp_path: Path) -> None:
    reference = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"
    printed = bench("points", reference, "--no-test-models", "--csv", data=tmp_path).stdout
    expected = sorted(
        (row["model"], int(row["image_size"]), float(row["seconds_per_image"]),
         float(row["top1_percent"]), row["family"])
        for row in csv.DictReader(io.StringIO(printed))
    )  # fmt: skip
    found = sorted(
        (point["model"], point["image_size"], point["seconds"], point["top1"], point["family"])
        for point in Seen(page.read_text()).points
    )
    assert len(found) > 1000
    assert found == expected


def test_a_second_set_and_another_measure_come_along_on_demand(tmp_path: Path) -> None:
    file = tmp_path / "two.html"
    done = bench(
        "report", file, "2022-07-timm-rtx3090-amp-fp16-nhwc", "--measure", "training",
        "--beside", RTX_4090, "--accuracy", "imagenet-real", "--family", "resnet", "--max-ms", 20,
        "--best-per-family", data=tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    seen = Seen(file.read_text())
    assert seen.data["opens"] == "show=trade-off&max_ms=20&families=resnet"
    assert {point["beside"] for point in seen.points} == {False, True}
    text = seen.text
    assert "Circles: RTX 3090 · amp-fp16 · nhwc · PyTorch 1.11 · timm 2022-07 · Training" in text
    assert "Diamonds: RTX 4090 · amp-fp16 · compiled · PyTorch 2.9.1" in text
    assert "of training is" in text
    assert "benchmark-infer-amp-nchw-pt291-cu128-4090-dynamo.csv" in text
    assert "results-imagenet-real.csv" in text
    assert len(file.read_bytes()) < LARGEST_BYTES


def test_nothing_is_loaded_from_elsewhere(page: Path) -> None:
    seen = Seen(page.read_text())
    loading = {"src", "srcset", "data", "poster", "background", "action", "formaction", "style"}
    assert [one for one in seen.elements if loading & one[1].keys() or one[0] == "link"] == []
    addresses = {attributes["href"] for _, attributes in seen.elements if "href" in attributes}
    assert addresses == {"https://github.com/huggingface/pytorch-image-models"}
    (style,) = seen.text_of("style")
    assert not re.search(r"@import|url\(", style)


def test_the_policy_lets_run_what_is_written_here_and_nothing_else(page: Path) -> None:
    seen = Seen(page.read_text())
    (policy,) = [
        attributes["content"]
        for _, attributes in seen.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = {name: set(values.split()) for name, _, values in
             (rule.strip().partition(" ") for rule in policy.split(";"))}  # fmt: skip
    assert rules["default-src"] == rules["connect-src"] == {"'none'"}
    assert rules["base-uri"] == rules["form-action"] == {"'none'"}

    def digests(texts: list[str]) -> set[str]:
        sums = (hashlib.sha256(text.encode()).digest() for text in texts)
        return {f"'sha256-{base64.b64encode(one).decode()}'" for one in sums}

    scripts = [
        text for text in seen.text_of("script") if text not in seen.text_of("script", id="data")
    ]
    assert len(scripts) == 2
    assert rules["script-src"] == digests(scripts)
    assert rules["style-src"] == digests(seen.text_of("style"))


def test_names_made_of_markup_stay_text(tmp_path: Path) -> None:
    run = "2026-11-01T120000Z-aaaa"
    publish_accuracy(
        tmp_path, [{"model": HOSTILE, "architecture": HOSTILE, "image_size": 224,
                    "top1_percent": 80.0, "source": HOSTILE}],
    )  # fmt: skip
    row = {"architecture": HOSTILE, "image_size": 224, "images_per_s": 900.0, "device": HOSTILE,
           "flags": [HOSTILE], "driver": HOSTILE, "torch": HOSTILE}  # fmt: skip
    publish_speeds(tmp_path, run, [row])
    file = tmp_path / "hostile.html"
    assert bench("report", file, run, data=tmp_path).exit_code == 0
    seen = Seen(file.read_text())
    assert {"img", "b"} & {tag for tag, _ in seen.elements} == set()
    assert [point["model"] for point in seen.points] == [HOSTILE]
    assert "<" not in file.read_text().partition('id="data">')[2].partition("</script>")[0]
    title = "".join(seen.text_of("title"))
    assert HOSTILE in title
    assert HOSTILE in "".join(seen.text_of("p", id="sentence")) + "".join(seen.text_of("strong"))


def test_the_file_is_small_enough_to_mail_and_says_where_its_figures_come_from(page: Path) -> None:
    assert len(page.read_bytes()) < LARGEST_BYTES
    text = page.read_text()
    for part in ("Ross Wightman", "Apache License", "University of Washington", "Mike Bostock"):
        assert part in text
    facts = dict(
        zip(Seen(text).text_of("th", scope="row"), Seen(text).text_of("td")[1:], strict=True)
    )
    assert facts["Device"] == "NVIDIA GeForce RTX 5090"
    assert facts["Driver"] == "unknown"


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "mine.html"
    file.write_text("a page of somebody's own")
    assert f"{file} is there already" in complaint("report", file, data=tmp_path)
    assert file.read_text() == "a page of somebody's own"
    assert bench("report", file, "--force", data=tmp_path).exit_code == 0
    assert file.read_text().startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.html"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing-like-it",), "no results set 'nothing-like-it'"),
        (("--beside", "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"), "beside itself"),
        (("--family", "resnext"), "no family"),
        (("--max-ms", "1e-9"), "no model is left: Slowest (ms) filters out the last one"),
        (("--max-ms", "nan"), "not a number"),
        (("--accuracy", "imagenet-21k"), "no accuracy set 'imagenet-21k'"),
        (("--measure", "training"), "holds no training"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence_and_no_file(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    if "--family" in arguments:
        arguments = ("--family", "no-such-family")
    assert says in complaint("report", tmp_path / "a.html", *arguments, data=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    line = complaint("report", tmp_path / "no" / "a.html", data=tmp_path)
    assert line == f"Error: there is no folder {tmp_path / 'no'}"
    assert complaint("report", tmp_path, data=tmp_path).endswith("is a directory.")


def run_without(package: str, *arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """`python -m bench` in a process in which a package cannot be imported."""
    code = (
        f"import runpy, sys; sys.modules[{package!r}] = None; sys.argv[1:] = {list(arguments)!r}; "
        "runpy.run_module('bench', run_name='__main__', alter_sys=True)"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env=os.environ | {"BENCH_DATA": str(data)},
    )


@pytest.mark.parametrize("package", ["altair", "streamlit", "vl_convert"])
def test_without_what_draws_it_says_so_and_every_other_command_works(
    package: str, tmp_path: Path
) -> None:
    failed = run_without(package, "report", str(tmp_path / "a.html"), data=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1, failed.stderr
    assert f"{package} is not installed" in failed.stderr
    assert run_without(package, "results", "--json", data=tmp_path).returncode == 0


def test_a_real_process_writes_the_page_and_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "report", str(tmp_path / "a.html"), "--data", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r".*a\.html: 1,\d{3} models of RTX 5090 .*, \d\.\d MB\n", done.stdout)
