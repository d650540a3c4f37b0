"""Who may import whom, and that the documents name what is there."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from camembias import sqlfiles

ROOT = Path(__file__).parents[2]
STAGES = ("train", "export", "batch", "explain_worker")
MODULES = sorted(path for name in ("camembias", *STAGES) for path in (ROOT / name).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_stages_never_import_one_another(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    home = path.relative_to(ROOT).parts[0]
    others = (imports(tree) & set(STAGES)) - {home}
    if path.parent.name == "cli":
        top = {name for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for name in imports(node)}
        assert not top & set(STAGES), "the command line imports stages inside functions only"
    else:
        assert not others


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("duckdb", {"camembias/catalog.py"}),
        ("onnxruntime", {"camembias/scoring.py"}),
        ("captum", {"explain_worker/attribution.py"}),
        ("celery", {"explain_worker/app.py"}),
        ("optimum", {"export/graph.py"}),
        ("jinja2", {"camembias/templating.py"}),
    ],
)
def test_each_heavy_package_lives_in_one_module(package, allowed):
    users = {name_of(path) for path in MODULES if package in imports(ast.parse(path.read_text(encoding="utf-8")))}
    assert users == allowed


def test_importing_the_command_line_pulls_in_no_heavy_package():
    code = "import sys, camembias.cli; print(sorted({'torch', 'onnxruntime', 'celery'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_core_alone_can_ask_a_store():
    """With nothing there but what it declares, and what that needs: whoever only asks installs no extra."""
    declared, ahead = set(), ["camembias"]
    while ahead:
        if (one := canonicalize_name(ahead.pop())) not in declared:
            declared.add(one)
            needed = map(Requirement, requires(one) or ())
            ahead += [it.name for it in needed if it.marker is None or it.marker.evaluate({"extra": ""})]
    modules = packages_distributions().items()
    refused = {module for module, of in modules if not declared & set(map(canonicalize_name, of))}
    code = f"""
import sys
class Refuse:
    def find_spec(name, path=None, target=None):
        if name in {refused}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse)
import camembias.cli, camembias.catalog
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_no_other_distribution_provides_our_top_level_names():
    found = packages_distributions()
    for name in ("camembias", *STAGES):
        assert set(found.get(name, ["camembias"])) == {"camembias"}, name
    assert not (ROOT / "sql" / "__init__.py").exists()


def test_every_command_and_query_is_documented():
    import typer.main

    from camembias.cli import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"`{name}" in readme or f"camembias {name}" in readme, name
        assert "Example: camembias" in (command.help or ""), name
    listed = (ROOT / "sql" / "README.md").read_text(encoding="utf-8")
    assert [name for name in sqlfiles.queries() if name not in listed] == []


def test_the_tree_of_the_readme_is_the_tree():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    there = {line.split("/")[0] for line in done.stdout.splitlines()}
    block = (ROOT / "README.md").read_text(encoding="utf-8").split("## The tree")[1].split("```")[1]
    shown = {line.split()[0].rstrip("/") for line in block.splitlines()[1:] if line and not line[0].isspace()}
    assert shown == there


def test_the_image_knows_every_package():
    """It installs dependencies before the source is there, with empty folders in place of the packages."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    made = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("mkdir -p ")[1].split("\\")[0].split()
    assert {name.replace(".", "/") for name in packages} - {"camembias"} == set(made)
