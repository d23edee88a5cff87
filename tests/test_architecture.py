"""The house as drawn: who may import whom, checked on the syntax tree of every module."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bench"
MODULES = sorted(PACKAGE.rglob("*.py"))

FOUNDATIONS = {"errors", "records", "identity", "safe_text"}
SERVICES = {
    "amx",
    "chat_template",
    "choices",
    "config",
    "memory",
    "openmp",
    "plugins",
    "provenance",
    "retry_after",
    "sample_lines",
    "store",
    "validation",
    "yaml_file",
}
SHARED = {"classifiers", "hf_folder"}
"""What two rooms have to agree on: below the rooms, and as heavy as they are."""
ROOMS = {"articles", "tasks", "backends", "analysis", "reports", "training", "datasets"}
JOINERS = {"sweep", "report", "doctor", "train", "demo", "conditions", "guard", "estimate"}
JOINERS |= {"arm_names", "gate", "gate_evidence", "gate_reading", "approval", "compare"}
JOINERS |= {
    "width",
    "latency",
    "fidelity",
    "reading",
    "plan",
    "parity",
}
JOINERS |= {"seed", "items", "task_view", "data", "labelling"}
JOINERS |= {"exported", "inspect_log", "lm_eval_log"}
JOINERS |= {"tune", "tune_data", "tune_base", "tune_files"}
JOINERS |= {"model_files"}
JOINERS |= {"evaluate", "evaluation"}
ENGINES = {"torch", "transformers", "peft", "bitsandbytes", "llama_cpp", "ollama", "gguf", "tokenizers"}
ENGINES |= {"trl", "datasets", "accelerate"}
HEAVY = ENGINES | {
    "pandas",
    "numpy",
    "scipy",
    "matplotlib",
    "seaborn",
    "openpyxl",
    "pydantic",
    "yaml",
    "rich",
}


def part(path: Path) -> str:
    """The room or module of `bench` that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Dotted names of everything a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in _nodes(tree, top_level_only):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _nodes(tree: ast.Module, top_level_only: bool) -> list[ast.AST]:
    if not top_level_only:
        return list(ast.walk(tree))
    flat: list[ast.AST] = []
    for node in tree.body:
        is_type_checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        flat += [] if is_type_checking else [node]
    return flat


def bench_parts(names: set[str]) -> set[str]:
    parts = {name.split(".")[1] for name in names if name.startswith("bench.")}
    known = FOUNDATIONS | SERVICES | SHARED | ROOMS | JOINERS | {"cli"}
    return parts & known


def allowed(name: str) -> set[str]:
    if name in FOUNDATIONS:
        return {"identity"} if name == "records" else set()
    if name in SERVICES:
        return FOUNDATIONS | SERVICES
    if name in SHARED:
        return FOUNDATIONS | SERVICES
    if name in ROOMS:
        shared = SHARED if name in {"backends", "training"} else set()
        return FOUNDATIONS | SERVICES | shared | {name} | ({"analysis"} if name == "reports" else set())
    if name in JOINERS:
        return FOUNDATIONS | SERVICES | ROOMS | JOINERS
    return FOUNDATIONS | SERVICES | ROOMS | JOINERS | {"cli"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_what_its_level_may(path):
    name = part(path)
    if name in {"__init__", "__main__"}:
        return
    levels = FOUNDATIONS | SERVICES | SHARED | ROOMS | JOINERS | {"cli"}
    assert name in levels, f"{name} has no level; give it one"
    assert bench_parts(imports(path)) - {name} <= allowed(name)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_engines_appear_only_in_backends_and_training(path):
    engines = {name.split(".")[0] for name in imports(path)} & ENGINES
    is_backend = part(path) == "backends" and path != PACKAGE / "backends" / "__init__.py"
    is_shared = part(path) in SHARED and path.name != "__init__.py"
    assert not engines or is_backend or is_shared or part(path) == "training"


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda p: p.name)
def test_commands_import_nothing_heavy_before_they_run(path):
    if path.name == "progress.py":  # imported by a command that runs
        return
    names = imports(path, top_level_only=True)
    assert not {name.split(".")[0] for name in names} & HEAVY
    assert bench_parts(names) <= {"cli", "errors"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring or not path.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_catches_everything(path):
    handlers = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ExceptHandler)]
    broad = [h for h in handlers if h.type is None or getattr(h.type, "id", "") == "Exception"]
    # one place turns a crash into exit code 70
    assert not broad or path == PACKAGE / "cli" / "__init__.py"
