"""The folder is the registry."""

import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith import registry
from tunesmith.errors import UserError
from tunesmith.metrics.metric import Metric

FILES = {
    "plugin.py": "from abc import ABC, abstractmethod\nclass Plugin(ABC):\n    @abstractmethod\n    def act(self): ...\n",
    "red.py": '"""Red, the first.\n\nMore."""\nfrom zoo.plugin import Plugin\nclass Red(Plugin):\n    def act(self): ...\n',
    "blue.py": '"""Blue."""\nfrom zoo.red import Red\nclass Other(Red): ...\nclass Blue(Red): ...\n',
    "twice.py": '"""Two."""\nfrom zoo.red import Red\nclass One(Red): ...\nclass Two(Red): ...\n',
    "family.py": (
        '"""A family."""\nfrom types import SimpleNamespace as N\na = N(name="family/a")\nrest = [N(name="family/b")]\n'
        'by = {"c": N(name="family/c")}\n'
    ),
    "explodes.py": '"""Explodes."""\nraise RuntimeError("imported")\n',
    "_hidden.py": "",
}


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield "zoo"
    for name in [name for name in sys.modules if name.split(".")[0] == "zoo"]:
        del sys.modules[name]


def test_names_and_descriptions_import_nothing(zoo):
    assert registry.names(zoo) == ["blue", "explodes", "family", "plugin", "red", "twice"]
    assert registry.described(zoo)["red"] == "Red, the first."
    assert not any(name.startswith("zoo.") for name in sys.modules)


def test_the_class_defined_in_the_file_is_found_and_not_the_imported_one(zoo):
    from zoo.plugin import Plugin

    assert registry.find("red", zoo, Plugin).__name__ == "Red"
    assert registry.find("blue", zoo, Plugin).__name__ == "Blue"
    assert registry.find("zoo.red", "tunesmith.metrics", Plugin).__name__ == "Red"


def test_a_wrong_name_gets_a_hint(zoo):
    from zoo.plugin import Plugin

    with pytest.raises(UserError, match="did you mean `red`"):
        registry.find("redd", zoo, Plugin)
    with pytest.raises(UserError, match=r"there is no module `nowhere\.dora`"):
        registry.find("nowhere.dora", zoo, Plugin)
    with pytest.raises(UserError, match="`One`, `Two`"):
        registry.find("twice", zoo, Plugin)
    with pytest.raises(UserError, match="defines none"):
        registry.find("family", zoo, Plugin)


def test_a_module_that_needs_something_not_installed_says_so(zoo, tmp_path):
    (tmp_path / "zoo" / "needy.py").write_text("import not_on_this_earth\n")
    with pytest.raises(UserError, match="needs `not_on_this_earth`"):
        registry.find("zoo.needy", zoo, object)


def test_a_member_of_a_family_imports_that_file_alone(zoo):
    from types import SimpleNamespace

    assert [registry.find_value(f"family/{x}", zoo, SimpleNamespace).name for x in "abc"] == [
        "family/a",
        "family/b",
        "family/c",
    ]
    assert len(registry.find_values("family", zoo, SimpleNamespace)) == 3
    with pytest.raises(UserError, match="did you mean `family/a`"):
        registry.find_value("family/aa", zoo, SimpleNamespace)
    assert "zoo.red" not in sys.modules


def test_the_package_of_a_contract():
    assert registry.package_of(Metric) == "tunesmith.metrics"
    assert registry.package_of(Path) == ""


def test_listing_the_real_rooms_imports_no_torch():
    code = (
        "import sys; from tunesmith import registry\n"
        "for room in ('methods', 'objectives', 'metrics', 'tasks'): registry.described(f'tunesmith.{room}')\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_values_of_a_module_from_outside(tmp_path, monkeypatch):
    lab = tmp_path / "some_lab"
    lab.mkdir()
    head = "from types import SimpleNamespace as N\n"
    (lab / "one.py").write_text(head + "x = N(name='anything')")
    (lab / "two.py").write_text(head + "x = N(name='two/a')\ny = N(name='b')")
    monkeypatch.chdir(tmp_path)
    from types import SimpleNamespace

    assert registry.find_value("some_lab.one", "tunesmith.tasks", SimpleNamespace).name == "anything"
    assert registry.find_value("some_lab.two/a", "tunesmith.tasks", SimpleNamespace).name == "two/a"
    assert registry.find_value("some_lab.two/b", "tunesmith.tasks", SimpleNamespace).name == "b"
    with pytest.raises(UserError, match="several values"):
        registry.find_value("some_lab.two", "tunesmith.tasks", SimpleNamespace)
    with pytest.raises(UserError, match="holds no simplenamespace `c`"):
        registry.find_value("some_lab.two/c", "tunesmith.tasks", SimpleNamespace)
    assert registry.is_outside("some_lab.one")
    assert registry.is_outside("some_lab.two/a")
    assert not registry.is_outside("rows.csv")
    assert not registry.is_outside("owner/rows")
    for name in [name for name in sys.modules if name.split(".")[0] == "some_lab"]:
        del sys.modules[name]
