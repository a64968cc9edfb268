"""Any function of a Python file as a reward: it takes what it names of the prompt, the answer and the example."""

import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tunesmith.data.example import Example
from tunesmith.errors import UserError, did_you_mean
from tunesmith.rewards.reward import Reward
from tunesmith.tokens.chat import plain

TAKES = ("prompt", "answer", "target", "references", "meta", "example")


@dataclass(frozen=True, kw_only=True)
class Rule(Reward):
    """A function of your own, called once an answer. It gives a number, or true or false.

    path:     a Python file; a relative path is taken from where the command is given. The file is run.
    function: its name there. Of `prompt`, `answer`, `target` (texts), `references` (texts), `meta` (a mapping) and `example` it
              gets those that its parameters name.
    """

    path: str
    function: str = "score"

    def __post_init__(self) -> None:
        _function(self.path, self.function)

    def score(self, examples: Sequence[Example], answers: Sequence[str]) -> list[float]:
        rule, wanted = _function(self.path, self.function)
        found = []
        for example, answer in zip(examples, answers, strict=True):
            given: Mapping[str, Any] = {
                "prompt": plain(example.messages),
                "answer": answer,
                "target": example.target,
                "references": example.acceptable,
                "meta": example.meta,
                "example": example,
            }
            try:
                found.append(float(rule(**{name: given[name] for name in wanted})))
            except Exception as error:
                raise UserError(
                    f"`{self.function}` of `{self.path}` stopped at an answer to example `{example.id}`: "
                    f"{type(error).__name__}: {error}",
                    f"the answer was `{answer[:60]}`; the function has to give a number for any text, an empty one too",
                ) from error
        return found


@lru_cache(maxsize=16)
def _function(path: str, name: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """A function of a file, and what it takes."""
    file = Path(path)
    if not file.is_file():
        raise UserError(f"there is no file `{path}`", f"it is looked for in `{Path.cwd()}`")
    spec = importlib.util.spec_from_file_location(f"tunesmith_rule_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"`{path}` is no Python file", "its name ends with `.py`")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"`{path}` does not run: {type(error).__name__}: {error}", "mend the file") from error
    functions = {one: value for one, value in vars(module).items() if inspect.isfunction(value)}
    if name not in functions:
        raise UserError(f"`{path}` has no function `{name}`", did_you_mean(name, functions))
    wanted = []
    for parameter in inspect.signature(functions[name]).parameters.values():
        if parameter.name in TAKES and parameter.kind is not parameter.POSITIONAL_ONLY:
            wanted.append(parameter.name)
        elif parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UserError(
                f"`{name}` of `{path}` takes `{parameter.name}`, which nothing gives it", f"it may take: {', '.join(TAKES)}"
            )
    return functions[name], tuple(wanted)
