"""The dashboard opens and draws where torch, torchvision and timm are not installed."""

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import harness
import pytest
from playwright.sync_api import Page, expect

NOT_THERE = ("torch", "torchvision", "timm")


@pytest.fixture(scope="session")
def python_without_torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has all of requirements.txt but NOT_THERE.

    It is a real virtual environment. Its packages are links to the ones installed here: only those
    that the remaining requirements ask for, so nothing that torch or timm bring along is there.
    """
    folder = tmp_path_factory.mktemp("without-torch")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    wanted = set(harness.pinned(harness.REPOSITORY / "requirements.txt")) - set(NOT_THERE)
    for distribution in harness.with_dependencies(wanted).values():
        entries = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
        for entry in entries:
            link = site_packages / entry
            if not link.exists():
                link.symlink_to(distribution.locate_file(entry))
    return python


@pytest.mark.parametrize("package", NOT_THERE)
def test_the_environment_really_lacks(package: str, python_without_torch: Path) -> None:
    done = subprocess.run(
        [python_without_torch, "-c", f"import streamlit, altair, pandas, {package}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"No module named '{package}'" in done.stderr, done.stderr


def test_the_environment_is_not_the_one_that_runs_the_tests(python_without_torch: Path) -> None:
    code = "import sys; print(sys.prefix); print(sys.path)"
    done = subprocess.run(
        [python_without_torch, "-c", code], capture_output=True, text=True, check=True
    )
    prefix, path = done.stdout.splitlines()
    assert prefix == str(python_without_torch.parent.parent)
    assert sys.prefix not in path


@pytest.mark.parametrize("address", ["/", "/compare", "/runs", "/method"])
def test_every_page_opens_without_torch(
    address: str,
    python_without_torch: Path,
    serve: Callable,
    open_page: Callable[..., Page],
    tmp_path: Path,
) -> None:
    # Each on a cold server: a link straight to a page must work as well.
    with serve(tmp_path, python=python_without_torch) as server:
        page = open_page()
        page.goto(server.url + address)
        if address == "/":
            drawn = page.locator('[data-testid="stVegaLiteChart"] canvas').first
            expect(drawn).to_be_visible(timeout=60_000)
        expect(page.get_by_role("heading").first).to_be_visible(timeout=60_000)
        expect(page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=60_000
        )
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_role("button", name="Run benchmark")).to_be_disabled()
        expect(page.get_by_text("Measuring needs torch and timm")).to_be_visible()
        page.context.close()
