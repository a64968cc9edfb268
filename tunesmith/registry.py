"""The folder is the registry: a name is a file, and the file holds a class, or values with names of their own.

find("lora", "tunesmith.methods", Method)          -> the class in methods/lora.py
find("my_lab.dora", "tunesmith.methods", Method)   -> the class in a module from outside
find_value("glue/sst2", "tunesmith.tasks", Task)   -> the task of that name in tasks/glue.py
find_value("my_lab.sums", "tunesmith.tasks", Task) -> the task in a module from outside; of several `my_lab.sums/NAME`
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

from tunesmith.errors import UserError, did_you_mean

T = TypeVar("T")

NO_PLUGIN = frozenset(
    {"headed", "preference", "rollout", "own", "examples", "fitting", "members", "written", "feed"}
)  # files of plug-in folders that several plug-ins share


def names(package: str) -> list[str]:
    """Every plug-in of a package, by looking at its folder: nothing in it is imported."""
    modules = [module.name for module in iter_modules(_folders(package))]
    shared = {*NO_PLUGIN, _contract_file(package)}
    return sorted(name for name in modules if name not in shared and not name.startswith("_"))


def find(name: str, package: str, kind: type[T]) -> type[T]:
    """The class of `kind` defined in `package.name`, or in the module that a dotted `name` spells.

    Where a file defines several, the one called like the file is meant.
    """
    module = _module(name, package)
    found = [one for one in _classes_in(module, kind) if not one.__name__.startswith("_")]
    called = [one for one in found if one.__name__.lower() == module.__name__.rpartition(".")[2].replace("_", "").lower()]
    chosen = called or found
    if len(chosen) != 1:
        what = ", ".join(f"`{one.__name__}`" for one in chosen) or "none"
        raise UserError(
            f"`{module.__name__}` must define one {kind.__name__.lower()}, and defines {what}", f"file: {module.__file__}"
        )
    return chosen[0]


def values(package: str, kind: type[T]) -> dict[str, T]:
    """All module-level values of `kind` in a package, by their `.name`. This imports every file of the folder."""
    found: dict[str, T] = {}
    for name in names(package):
        for value_name, value in _values_in(import_module(f"{package}.{name}"), kind).items():
            assert found.setdefault(value_name, value) is value, f"two values of `{package}` are called `{value_name}`"
    return found


def find_value(name: str, package: str, kind: type[T]) -> T:
    """The value called `name`. `family/member` imports the family's file alone; a dotted family is a module from outside.

    A family that is made of files on the disk has a function `made`, which gives the value of a name, or several, when asked.
    """
    family, _, member = name.partition("/")
    if "." in family:
        return _value_outside(family, member, package, kind)
    if family in names(package):
        module = import_module(f"{package}.{family}")
        found = _values_in(module, kind)
        if name in found:
            return found[name]
        if member and hasattr(module, "made"):
            several = _made(module, name, kind)
            if len(several) > 1:
                names_ = ", ".join(f"`{one.name}`" for one in several)  # type: ignore[attr-defined]
                raise UserError(f"`{name}` is several {package.rpartition('.')[2]}", f"name one: {names_}")
            return several[0]
        if "/" in name:
            raise UserError(f"there is no {kind.__name__.lower()} `{name}`", did_you_mean(name, found))
    everything = values(package, kind)
    if name not in everything:
        raise UserError(f"there is no {kind.__name__.lower()} `{name}`", did_you_mean(name, everything))
    return everything[name]


def _value_outside(family: str, member: str, package: str, kind: type[T]) -> T:
    """The one value of a module from outside; of several the one called like the module, or like `member`."""
    module = _module(family, package)
    found = _values_in(module, kind)
    last = family.rpartition(".")[2]
    if not member and len(found) == 1:
        return next(iter(found.values()))
    for called in (member, f"{last}/{member}") if member else (last,):
        if called in found:
            return found[called]
    what = kind.__name__.lower()
    if not found:
        raise UserError(f"`{family}` must hold a {what} as a value, and holds none", f"file: {module.__file__}")
    raise UserError(
        f"`{family}` holds no {what} `{member}`" if member else f"`{family}` holds several values of the kind {what}",
        "name one: " + ", ".join(f"`{family}/{one.removeprefix(f'{last}/')}`" for one in found),
    )


def is_outside(name: str) -> bool:
    """Whether a name spells a module from outside, `my_lab.sums` or `my_lab.sums/member`, that can be found."""
    family = name.partition("/")[0]
    if "." not in family or not all(part.isidentifier() for part in family.split(".")):
        return False
    _look_here()
    try:
        return find_spec(family) is not None
    except ModuleNotFoundError:
        return False


def attribute(name: str) -> object | None:
    """What a dotted name spells in a module from outside, `my_lab.toxic`; None where there is no such module or name."""
    module, _, last = name.rpartition(".")
    if not module or not all(part.isidentifier() for part in name.split(".")):
        return None
    _look_here()
    try:
        return getattr(import_module(module), last, None)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            return None
        raise UserError(
            f"the module `{module}` needs `{error.name}`, which is not installed", f"pip install {error.name}"
        ) from None


def find_values(name: str, package: str, kind: type[T]) -> list[T]:
    """The value called `name`, or, where `name` is a family, all values of the family's file."""
    if name in names(package):
        found = _values_in(import_module(f"{package}.{name}"), kind)
        members = [value for value_name, value in found.items() if value_name.startswith(f"{name}/")]
        if name not in found and members:
            return members
    family, _, member = name.partition("/")
    if member and family in names(package):
        module = import_module(f"{package}.{family}")
        if name not in _values_in(module, kind) and hasattr(module, "made"):
            return _made(module, name, kind)
    return [find_value(name, package, kind)]


def _made(module: ModuleType, name: str, kind: type[T]) -> list[T]:
    """What a family's own function makes of a name."""
    values = list(_flat(module.made(name)))
    assert values and all(isinstance(value, kind) for value in values), f"`{module.__name__}.made` gave {values!r}"
    return values  # type: ignore[return-value]


def members(name: str, package: str, kind: type[T]) -> dict[str, T]:
    """The values that one file of a package defines, by their `.name`."""
    return _values_in(import_module(f"{package}.{name}"), kind)


def described(package: str) -> dict[str, str]:
    """Each plug-in's name and the first line of its file's docstring, read without importing it.

    Files of the folder that neither name the contract nor define a subclass of anything serve the others, and are left out.
    """
    told = {}
    contract = package.rpartition(".")[2].removesuffix("s").capitalize()
    for folder in _folders(package):
        for name in names(package):
            path = Path(folder) / f"{name}.py"
            path = path if path.is_file() else Path(folder) / name / "__init__.py"
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if any(_speaks_of(node, contract) for node in ast.walk(tree)):
                told[name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return told


def package_of(kind: type) -> str:
    """The package whose files are plug-ins of `kind`: `tunesmith.methods` for `tunesmith.methods.method.Method`; else empty."""
    package, _, module = kind.__module__.rpartition(".")
    return package if module and module == _contract_file(package) else ""


def _contract_file(package: str) -> str:
    """The file of a plug-in folder that says what a plug-in is: `method` of `tunesmith.methods`."""
    folder = package.rpartition(".")[2]
    return folder.removesuffix("s") if folder.endswith("s") else ""


def _speaks_of(node: ast.AST, contract: str) -> bool:
    return (isinstance(node, ast.ClassDef) and bool(node.bases)) or (isinstance(node, ast.Name) and node.id == contract)


def _folders(package: str) -> list[str]:
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None, f"`{package}` is not a package"
    return list(spec.submodule_search_locations)


def _module(name: str, package: str) -> ModuleType:
    if "." not in name:
        if name not in names(package):
            what = package.rpartition(".")[2].removesuffix("s")
            raise UserError(f"there is no {what} `{name}`", did_you_mean(name, names(package)))
        return import_module(f"{package}.{name}")
    if not all(part.isidentifier() for part in name.split(".")):
        what = package.rpartition(".")[2].removesuffix("s")
        raise UserError(f"`{name}` is no name of a {what}, nor of a module", did_you_mean(name, names(package)))
    here = _look_here()
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise UserError(
                f"there is no module `{name}`", f"it is looked for in `{here}` and among installed packages"
            ) from None
        raise UserError(
            f"the module `{name}` needs `{error.name}`, which is not installed", f"pip install {error.name}"
        ) from None


def _look_here() -> str:
    """A person's own modules lie where the command is given; at the end of the path, so that they shadow nothing."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return here


def _classes_in(module: ModuleType, kind: type[T]) -> list[type[T]]:
    """Classes of `kind` that a module itself defines and that can be made."""
    here = (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__)
    return [one for one in here if issubclass(one, kind) and not inspect.isabstract(one)]


def _values_in(module: ModuleType, kind: type[T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for thing in vars(module).values():
        for value in _flat(thing):
            if isinstance(value, kind):
                found.setdefault(str(getattr(value, "name", "")), value)
    return found


def _flat(thing: object) -> Iterator[object]:
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, (list, tuple)):
        yield from thing
    else:
        yield thing
