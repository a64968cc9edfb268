"""What parsers of commands have in common: options in any order, misspelt ones mended, numbers that are checked."""

import argparse
from collections.abc import Callable
from typing import Any

from tunesmith.errors import did_you_mean

Verbs = Any  # argparse's own type of sub-commands has no public name
OVERRIDES = "settings to change, as dotted.name=value (plan.epochs=2)"


class Parser(argparse.ArgumentParser):
    """Options and other arguments may stand in any order; a wrong option gets the nearest right one."""

    mixing = False

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        if self._subparsers is not None or self.mixing:
            return super().parse_known_args(args, namespace)
        self.mixing = True
        try:
            found, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self.mixing = False
        if unknown:
            self.error(f"there is no option `{unknown[0]}`; {did_you_mean(unknown[0], self.options())}")
        return found, unknown

    def options(self) -> list[str]:
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]


def command(verbs: Verbs, name: str, call: Callable[[argparse.Namespace], None], text: str) -> Parser:
    """A command that calls `call` with what was given."""
    made: Parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    made.set_defaults(call=call)
    return made


def at_least_one(text: str) -> int:
    """A whole number above nought."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above nought")
    return int(text)


def whole_numbers(text: str) -> list[int]:
    """Whole numbers from nought, separated by commas."""
    parts = text.split(",")
    if not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"`{text}` is not a list of whole numbers such as 0,1,5")
    return [int(part) for part in parts]
