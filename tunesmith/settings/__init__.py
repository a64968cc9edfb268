"""YAML and dotted overrides become typed settings; every mistake is told at once, with "did you mean".

tree = load("recipe.yaml", ["plan.learning_rate=1e-4"])
recipe = build(Recipe, tree)
method = plugin(recipe.method, "tunesmith.methods", Method, "method")
"""

from tunesmith.settings.annotations import Plugin
from tunesmith.settings.building import build, dump, kind_of, plugin
from tunesmith.settings.reading import Tree, load, override
from tunesmith.settings.schema import schema

__all__ = ["Plugin", "Tree", "build", "dump", "kind_of", "load", "override", "plugin", "schema"]
