"""ARCHITECTURE.md's arrows, kept by walking the imports."""

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from harness import REPOSITORY

HEAVY = {"torch", "torchvision", "timm"}
# The only modules that may import what is HEAVY, all on the worker's side of the pipe, but for the
# registry, which `catalogue` asks; everything else opens without it.
MEASURING = {
    f"bench.{name}"
    for name in (
        "batch_size",
        "environment",
        "failures",
        "measuring",
        "memory",
        "noise",
        "registry",
        "timing",
        "torchvision_schemas",
        "worker",
        "workloads",
    )
}
# Where a process starts that must not load torch, however little it is used.
LIGHT = ("app", "bench.__main__", "bench.cli", "bench.runs", "bench.supervisor", "bench.sweep")
LONGEST = 400  # lines; a longer file asks to be two


def module_files() -> dict[str, Path]:
    """Module name -> file, for everything that runs: app, pages, pages.ui, bench."""
    files = [REPOSITORY / "app.py"]
    for folder in ("pages", "bench"):
        files += sorted((REPOSITORY / folder).rglob("*.py"))
    return {
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


FILES = module_files()


@functools.cache
def imports(module: str, *, at_start_only: bool = False) -> frozenset[str]:
    """Full names of the modules that a module imports, ours and others'.

    at_start_only leaves out what only runs when a function is called.
    """
    found = set()
    for node in _nodes(ast.parse(FILES[module].read_text()), at_start_only=at_start_only):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            # `from bench import store` imports bench.store; `from bench.store import read` does not
            # import a module named bench.store.read.
            inner = {f"{base}.{alias.name}" for alias in node.names}
            found |= {base} | {name for name in inner if name in FILES}
    return frozenset(found)


def _nodes(tree: ast.AST, *, at_start_only: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue  # only the type checker goes there
        yield node
        inside_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not (at_start_only and inside_function):
            yield from _nodes(node, at_start_only=at_start_only)


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".")
    if FILES[module].name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, node.module] if node.module else package)


def reached(start: str, *, at_start_only: bool = False) -> dict[str, list[str]]:
    """All that importing a module imports in the end, each with the way there."""
    ways = {start: [start]}
    to_do = [start]
    while to_do:
        module = to_do.pop()
        for name in imports(module, at_start_only=at_start_only):
            if name not in ways:
                ways[name] = [*ways[module], name]
                if name in FILES:
                    to_do.append(name)
    return ways


def packages(names: Collection[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


PAGES = [name for name in FILES if name == "app" or name.startswith("pages.")]
BENCH = [name for name in FILES if name.startswith("bench")]


def test_the_walk_sees_every_kind_of_import() -> None:
    # Guards the guard: these are known to be there.
    assert "bench.records" in imports("bench.store")
    assert "bench.statistics" in imports("bench.store")  # from bench import statistics
    assert "pyarrow.parquet" in imports("bench.store")
    assert "torch" in imports("bench.torchvision_schemas")  # inside a function
    assert "torch" not in imports("bench.torchvision_schemas", at_start_only=True)
    assert reached("bench.store")["bench.errors"][0] == "bench.store"


@pytest.mark.parametrize("module", PAGES)
def test_a_page_reaches_no_torch_and_no_timm(module: str) -> None:
    ways = {name: way for name, way in reached(module).items() if packages({name}) & HEAVY}
    assert not ways, f"{module} needs what only a benchmark may need: {ways}"


@pytest.mark.parametrize("module", sorted(set(FILES) - MEASURING))
def test_only_what_measures_imports_torch_or_timm(module: str) -> None:
    assert not packages(imports(module)) & HEAVY


@pytest.mark.parametrize("module", LIGHT)
def test_a_process_that_does_not_measure_starts_without_torch(module: str) -> None:
    ways = reached(module, at_start_only=True)
    heavy = {name: way for name, way in ways.items() if packages({name}) & HEAVY}
    assert not heavy, f"importing {module} imports torch or timm: {heavy}"


# Above both bench and the dashboard, as app.py is above the pages: it adds the one command that
# draws (`report`) to those of bench.cli. Nothing may import it.
ROOT = "bench.__main__"
DASHBOARD = {"streamlit", "altair", "vl_convert", "pages", "app"}


@pytest.mark.parametrize("module", sorted(set(BENCH) - {ROOT}))
def test_bench_knows_nothing_of_the_dashboard(module: str) -> None:
    assert not packages(imports(module)) & DASHBOARD


def test_the_command_line_s_root_stands_above_both_and_loads_no_chart() -> None:
    assert imports(ROOT) == {"bench.cli", "pages.ui.report_command"}
    assert not [module for module in FILES if ROOT in imports(module)]
    loaded = packages(reached(ROOT, at_start_only=True))
    assert not loaded & (DASHBOARD - {"pages"}), loaded
    assert "altair" in packages(reached(ROOT)), "the walk sees what report draws with"


def test_a_report_uses_none_of_the_server_s_caches() -> None:
    # Streamlit's caches warn of every import outside of a server.
    assert "pages.ui.data" not in reached("pages.ui.report_command")


def test_charts_are_drawn_without_streamlit() -> None:
    drawing = [name for name in PAGES if name.endswith("_charts")]
    assert len(drawing) >= 4
    for name in (*drawing, "pages.ui.charts"):
        ways = reached(name)
        assert ("altair" in packages(ways)) == (name in drawing), name
        assert "streamlit" not in packages(ways), ways


@pytest.mark.parametrize("module", [name for name in PAGES if name.startswith("pages.ui")])
def test_what_pages_share_imports_no_page(module: str) -> None:
    pages = {name for name in PAGES if not name.startswith("pages.ui")}
    assert not imports(module) & pages


@pytest.mark.parametrize(
    "module", [name for name in PAGES if name != "app" and not name.startswith("pages.ui")]
)
def test_a_page_imports_no_other_page(module: str) -> None:
    pages = {name for name in PAGES if not name.startswith("pages.ui")}
    assert not imports(module) & pages


@pytest.mark.parametrize("module", PAGES)
def test_text_from_files_is_never_html(module: str) -> None:
    text = FILES[module].read_text()
    assert not re.search(r"unsafe_allow_html|unsafe_allow_javascript|st\.html\(", text)


@pytest.mark.parametrize(
    "path",
    sorted(
        str(path.relative_to(REPOSITORY))
        for path in [*FILES.values(), *(REPOSITORY / "tests").rglob("*.py")]
    ),
)
def test_no_file_is_long(path: str) -> None:
    lines = len((REPOSITORY / path).read_text().splitlines())
    assert lines <= LONGEST, f"{path} has {lines} lines"


def test_importing_prints_nothing_and_starts_nothing() -> None:
    light = [
        name
        for name in BENCH
        if name != ROOT and not packages(reached(name, at_start_only=True)) & HEAVY
    ]
    code = f"""
import importlib, sys, threading
for name in {light!r}:
    importlib.import_module(name)
assert threading.active_count() == 1, threading.enumerate()
assert not {HEAVY!r} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
