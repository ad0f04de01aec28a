"""Public attributes of components are CamelCase; contracts are documented."""

from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from conftest import SourceFile

CAMEL_CASE = re.compile(r"[A-Z][A-Za-z0-9]*")

# By `module.Class.name`, why the attribute keeps another name. The table may only shrink.
OTHER_NAMES: dict[str, str] = {
    "bspump.http.web_service_sink.WebServiceSink.CONTEXT_RESPONSE_ID": "the original's name",
    "bspump.http.web_service_sink.WebServiceSink.CONTEXT_TYPE": "the original's name",
}


def _classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    """Return the classes at the top of a module, by name."""
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _assigned(definition: ast.ClassDef) -> set[str]:
    """Return the attributes that the class and its methods assign: `X = …`, `self.X = …`."""
    names: set[str] = set()
    for node in definition.body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    for node in ast.walk(definition):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            names.add(node.attr)
    return names


def _properties(definition: ast.ClassDef) -> Iterator[tuple[ast.FunctionDef, bool]]:
    """Yield the functions with a CamelCase name, and whether they are properties."""
    for node in definition.body:
        if isinstance(node, ast.FunctionDef) and node.name[:1].isupper():
            decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
            is_property = "property" in decorators or any(d.endswith("er") for d in decorators)
            yield node, is_property or any("cached_property" in d for d in decorators)


@pytest.fixture(scope="module")
def definitions(
    modules: dict[str, ModuleType], shipped_files: dict[str, SourceFile]
) -> dict[type, ast.ClassDef]:
    """Return every class at the top of a module with its source."""
    return {
        vars(modules[name])[class_name]: definition
        for name, file in shipped_files.items()
        for class_name, definition in _classes(file.tree).items()
        if isinstance(vars(modules[name]).get(class_name), type)
    }


def _is_foreign(cls: type) -> bool:
    return cls.__module__.partition(".")[0] != "bspump"


@pytest.fixture(scope="module")
def components(definitions: dict[type, ast.ClassDef]) -> dict[type, ast.ClassDef]:
    """Return the classes whose instances have an Id."""
    with_id = {cls for cls, definition in definitions.items() if "Id" in _assigned(definition)}
    return {
        cls: definition
        for cls, definition in definitions.items()
        if with_id.intersection(inspect.getmro(cls))
    }


def test_public_attributes_of_components_are_camel_case(
    components: dict[type, ast.ClassDef],
) -> None:
    found = {
        f"{cls.__module__}.{cls.__qualname__}.{name}"
        for cls, definition in components.items()
        for name in _assigned(definition)
        if not name.startswith("_")
        and not CAMEL_CASE.fullmatch(name)
        # A method that an instance replaces by a function keeps the name of the method.
        and not inspect.isfunction(getattr(cls, name, None))
        and not any(name in vars(base) for base in inspect.getmro(cls) if _is_foreign(base))
    }
    assert {"Source", "Processor", "Sink", "Connection", "Lookup"} <= {
        cls.__name__ for cls in components
    }
    assert sorted(found - set(OTHER_NAMES)) == []
    assert set(OTHER_NAMES) <= found, "exceptions that are not needed any more"


def test_functions_with_camel_case_names_are_properties(
    definitions: dict[type, ast.ClassDef],
) -> None:
    wrong = [
        f"{cls.__module__}.{cls.__qualname__}.{function.name}"
        for cls, definition in definitions.items()
        for function, is_property in _properties(definition)
        if not is_property
    ]
    assert wrong == []


def test_every_method_of_a_contract_says_what_it_promises(
    definitions: dict[type, ast.ClassDef],
) -> None:
    wrong = [
        f"{cls.__module__}.{cls.__qualname__}.{node.name}"
        for cls, definition in definitions.items()
        if cls.__module__.startswith("bspump.abc.")
        for node in definition.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not node.name[:1].isupper()
        and not inspect.getdoc(getattr(cls, node.name))
    ]
    assert wrong == []


def test_every_public_class_has_a_docstring_of_its_own(
    definitions: dict[type, ast.ClassDef],
) -> None:
    wrong = [
        f"{cls.__module__}.{cls.__qualname__}"
        for cls, definition in definitions.items()
        if not cls.__name__.startswith("_") and not ast.get_docstring(definition)
    ]
    assert wrong == []


def test_assignments_are_found_in_the_class_and_in_its_methods() -> None:
    text = "class A:\n    X = 1\n    y: int\n    def f(self):\n        self.Z, other.no = 1, 2\n"
    assert _assigned(_classes(ast.parse(text))["A"]) == {"X", "y", "Z"}
