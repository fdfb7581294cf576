"""The rules of the house that no linter knows: sizes, mirrored tests, words, and what must be listed as pure."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockingError

from semsupervisor.alerts.book import TIMELINE_KINDS
from semsupervisor.kit.files import write_atomically
from tests.support.commands import REPOSITORY

PACKAGE = REPOSITORY / "semsupervisor"
TESTS = REPOSITORY / "tests"

LONGEST_MODULE_LINES = 300
LONGEST_FUNCTION_LINES = 45
UNMIRRORED_FOLDERS = {"bench", "browser", "faults", "integration", "support"}
UNMIRRORED_TESTS = {Path("test_house.py")}
NO_TEST_NEEDED = {"__init__.py", "__main__.py"}
FORBIDDEN_WORDS = {
    "helper",
    "helpers",
    "incident",
    "incidents",
    "instance",
    "instances",
    "manager",
    "managers",
    "util",
    "utils",
}

# What the design marks as deciding only.
PURE = {
    "alerts": {"rules", "lifecycle", "muting", "routing", "grouping", "content"},
    "backup": {"retention"},
    "configuration": {"drift"},
    "diagnosis": {"rules"},
    "fleet": {"status", "rollout", "split_brain"},
    "health": {"observation", "intent", "baseline", "forecast"},
    "jobs": {"steps", "due"},
    "maintenance": {"windows"},
    "operations": {"prune", "readiness"},
    "remedies": {"policy"},
    "update": {"plan"},
}

# What writes an entry of the timeline, whose kind is its first argument.
NOTING = {"Note", "note", "_note"}

LOOPS_OWN_THREADS = {"to_thread", "run_in_executor"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path) -> list[Path]:
    """Return the Python files below `root`, relative to it."""
    return sorted(path.relative_to(root) for path in root.rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function and method, however deep."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_lines(function: Function) -> int:
    """Count the lines of a function without its docstring."""
    body = function.body
    documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    docstring = (body[0].end_lineno or 0) - body[0].lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def defined_names(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module itself gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def words(name: str) -> set[str]:
    """Split a name in snake_case or CamelCase into its words, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def parsed(path: Path) -> ast.Module:
    """Parse one file of the repository."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def in_package() -> dict[str, ast.Module]:
    """Return the package's modules, parsed, by their path."""
    return {str(module): parsed(PACKAGE / module) for module in modules(PACKAGE)}


def test_a_module_fits_in_the_head() -> None:
    """No module of the package is longer than 300 lines."""
    sizes = {str(module): len((PACKAGE / module).read_text().splitlines()) for module in modules(PACKAGE)}
    assert {module: size for module, size in sizes.items() if size > LONGEST_MODULE_LINES} == {}


def test_a_function_fits_on_a_screen() -> None:
    """No function of the package is longer than a screen, its docstring not counted."""
    sizes = {f"{path}:{f.name}": body_lines(f) for path, tree in in_package().items() for f in functions(tree)}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FUNCTION_LINES} == {}


def test_a_module_has_its_test() -> None:
    """semsupervisor/x/y.py is tested by tests/x/test_y.py."""
    wanted = [
        module.with_name(f"test_{module.name}") for module in modules(PACKAGE) if module.name not in NO_TEST_NEEDED
    ]
    assert [str(test) for test in wanted if not (TESTS / test).is_file()] == []


def test_a_test_has_its_module() -> None:
    """tests/x/test_y.py tests semsupervisor/x/y.py; what needs a whole stack is in tests/integration."""
    mirrored = [
        test
        for test in modules(TESTS)
        if test.parts[0] not in UNMIRRORED_FOLDERS and test not in UNMIRRORED_TESTS and test.name != "conftest.py"
    ]
    tested = {test: PACKAGE / test.with_name(test.name.removeprefix("test_")) for test in mirrored}
    assert [str(test) for test, module in tested.items() if not module.is_file()] == []


def test_a_test_says_what_holds() -> None:
    """The docstring of every test is one line."""
    silent = [
        f"{module}:{function.name}"
        for module in modules(TESTS)
        for function in functions(parsed(TESTS / module))
        if function.name.startswith("test_") and len((ast.get_docstring(function) or "").splitlines()) != 1
    ]
    assert silent == []


def test_names_use_the_words_of_the_house() -> None:
    """No name in the package uses a word that the design has no meaning for."""
    names = {(path, name) for path, tree in in_package().items() for name in defined_names(tree)}
    names |= {(path, part) for path in in_package() for part in Path(path).with_suffix("").parts}
    assert {f"{path}:{name}" for path, name in names if words(name) & FORBIDDEN_WORDS} == set()


def test_test_folders_are_no_packages() -> None:
    """Two tests may have the same file name: pytest and mypy find them by path, which an __init__.py would break."""
    assert [module for module in modules(TESTS) if module.name == "__init__.py"] == []


def test_the_package_itself_holds_only_its_version() -> None:
    """Importing `semsupervisor` costs nothing: it holds the version and imports nothing."""
    statements = parsed(PACKAGE / "__init__.py").body[1:]
    assert [ast.unparse(statement).partition(" ")[0] for statement in statements] == ["__version__"]


def test_what_decides_is_under_the_purity_contract() -> None:
    """A module that the design marks as pure, or that calls itself so, is under one of the purity contracts."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = {
        name for contract in contracts if contract["id"].startswith("purity") for name in contract["source_modules"]
    }
    pure = {
        ".".join(("semsupervisor", *Path(path).with_suffix("").parts))
        for path, tree in in_package().items()
        if Path(path).stem in PURE.get(Path(path).parent.name, ())
        or re.search(r"\bpure\b", ast.get_docstring(tree) or "", re.IGNORECASE)
    }
    assert pure - listed == set()


async def test_a_call_that_blocks_the_loop_fails_its_test(tmp_path: Path) -> None:
    """Code of the package that writes a file within the event loop raises in every async test."""
    with pytest.raises(BlockingError):
        write_atomically(tmp_path / "file", b"content")


def test_what_blocks_gets_threads_of_its_own() -> None:
    """The loop's own threads are few, shared, and waited for at the end: one disk that hangs would hold up all."""
    using = {
        path
        for path, tree in in_package().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called(node) in LOOPS_OWN_THREADS and not path.startswith("kit/")
    }
    assert using == set()


def test_every_kind_of_timeline_entry_is_listed() -> None:
    """Who asks for entries of one kind is told which there are: all that are written, and no other."""
    kind = re.compile(r"(?:alert|daemon|engine|host|job|outbox|service|settings)\.[a-z_]+")
    written = {
        argument.value
        for tree in in_package().values()
        for node in ast.walk(tree)
        for argument in (
            node.args[:1]
            if isinstance(node, ast.Call) and called(node) in NOTING
            else node.elts[:1]
            if isinstance(node, ast.Tuple) and len(node.elts) == 2
            else ()
        )
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and kind.fullmatch(argument.value)
    }
    assert sorted(written) == sorted(TIMELINE_KINDS)
