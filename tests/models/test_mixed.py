"""What many adapters at one module are together: made once, and made again where an adapter changes, comes or goes."""

import pytest
import torch
from torch import nn

from tunesmith.models.mixed import Stacks

NAMES = tuple(f"a{number}" for number in range(8))


class Added(nn.Module):
    """As much of a delta as is asked for; `made` has the lines of every stack."""

    made: list[list[float]] = []  # noqa: RUF012

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]))

    @classmethod
    def stacked(cls, deltas):
        cls.made.append([float(delta.value) for delta in deltas])
        return torch.stack([delta.value for delta in deltas])


@pytest.fixture
def stacks():
    Added.made.clear()
    made = Stacks()
    for number, name in enumerate(NAMES):
        made.take(name, Added(float(number)))
    return made


def test_prompts_that_enter_between_two_tokens_cost_no_stack_of_all(stacks):
    for some in (NAMES[:2], NAMES[2:4], NAMES[:2]):
        lines, stack = stacks.together(Added, NAMES[1:])
        assert lines == NAMES and stack.flatten().tolist() == list(map(float, range(8)))
        lines, stack = stacks.together(Added, some)
        assert lines == some and stack.flatten().tolist() == [float(name[1:]) for name in some]
    assert [len(lines) for lines in Added.made] == [8, 2, 2, 2]


def test_a_number_that_is_written_is_read(stacks):
    deltas = [stacks._deltas[name] for name in NAMES]
    stacks.together(Added, NAMES)
    with torch.no_grad():
        deltas[3].value.fill_(30.0)
    assert stacks.together(Added, NAMES)[1][3] == 30.0
    stacks.leave("a3")
    assert stacks.together(Added, NAMES[:3])[0] == NAMES[:3]
    assert 30.0 not in stacks.together(Added, [name for name in NAMES if name != "a3"])[1]
