"""How two sequences lie along each other: longest common subsequence, longest common run, edit distance.

The table of dynamic programming is held as one integer a column, a bit a row (Crochemore et al. 2001, Hyyrö 2004 for
subsequences; Myers 1999 for distances), so a column costs a few machine operations instead of one step a cell.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence

Places = Mapping[Hashable, int]


def places(tokens: Iterable[Hashable]) -> dict[Hashable, int]:
    """Where each token stands: bit i of `places(tokens)[token]` is set where `tokens[i] == token`.

    >>> places("aba")
    {'a': 5, 'b': 2}
    """
    found: dict[Hashable, int] = {}
    bit = 1
    for token in tokens:
        found[token] = found.get(token, 0) | bit
        bit <<= 1
    return found


def common_length(where: Places, rows: int, other: Iterable[Hashable]) -> int:
    """Length of the longest common subsequence of `other` and a sequence of `rows` tokens that stand at `where`.

    >>> common_length(places("axbyc"), 5, "abc")
    3
    """
    flat = (1 << rows) - 1  # a bit is clear where the table steps up between two rows
    for token in other:
        if at := where.get(token):
            step = flat & at
            flat = (flat + step) | (flat - step)
    return rows - (flat & ((1 << rows) - 1)).bit_count()


def common_places(where: Places, rows: int, other: Iterable[Hashable]) -> int:
    """Which rows belong to *the* longest common subsequence that rouge_score reads out of its table, as bits.

    Its walk starts in the last cell: where the tokens match it takes the row and goes diagonally, else left where the cell to
    the left is larger than the cell above, else up. The cell to the left is larger exactly where the table steps up between
    this row and the one above, so the steps of each column are all that the walk needs.

    >>> bin(common_places(places("abc"), 3, "axc"))
    '0b101'
    """
    everything = flat = (1 << rows) - 1
    columns = []
    for token in other:
        if at := where.get(token, 0):
            step = flat & at
            flat = ((flat + step) | (flat - step)) & everything
        columns.append((at, everything ^ flat))
    taken, below = 0, everything
    for at, steps in reversed(columns):
        events = (at | steps) & below
        if not events:
            break
        top = 1 << (events.bit_length() - 1)
        if at & top:
            taken |= top
            below = top - 1
        else:
            below = 2 * top - 1
    return taken


def longest_common_subsequence(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Length of the longest sequence that can be had from both by leaving tokens out.

    >>> longest_common_subsequence("it is cold outside".split(), "it is very cold outside".split())
    4
    """
    return common_length(places(one), len(one), other)


def longest_common_run(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Length of the longest unbroken stretch that stands in both.

    >>> longest_common_run("it is cold outside".split(), "it is very cold outside".split())
    2
    """
    where = places(one)
    matches = [where.get(token, 0) for token in other]
    ends, length = matches, 0
    while any(ends):  # bit i of column j is set where a run of more than `length` tokens ends at row i and column j
        length += 1
        ends = [match & (end << 1) for end, match in zip(ends, matches[length:], strict=False)]
    return length


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Fewest insertions, deletions and substitutions that make one sequence the other (Levenshtein).

    >>> edit_distance("kitten", "sitting")
    3
    """
    if not one or not other:
        return len(one) + len(other)
    where, everything, last = places(one), (1 << len(one)) - 1, 1 << (len(one) - 1)
    up, down, distance = everything, 0, len(one)  # rows where the column grows or falls by one
    for token in other:
        at = where.get(token, 0)
        cross = at | down
        equal = (((at & up) + up) ^ up) | at
        right_up = down | (everything & ~(equal | up))
        right_down = up & equal
        distance += bool(right_up & last) - bool(right_down & last)
        right_up, right_down = (right_up << 1) | 1, right_down << 1
        up = everything & (right_down | ~(cross | right_up))
        down = everything & right_up & cross
    return distance
