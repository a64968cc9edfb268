"""How numbers and names are written on every page, table and plot."""

import re
from math import isfinite

MISSING = "–"
MINUS = "−"


def label(metric: str) -> str:
    """`rouge1` -> `ROUGE-1`, `bleu` -> `BLEU`, `exact_match` -> `exact match`."""
    rouge = re.fullmatch(r"rouge(\d|Lsum|L)(.*)", metric)
    if rouge:
        return f"ROUGE-{rouge[1]}{rouge[2].replace('_', ' ')}"
    if metric.split("_", maxsplit=1)[0] in ("bleu", "chrf", "mcc", "ece"):
        first, *rest = metric.split("_")
        return " ".join(["chrF" if first == "chrf" else first.upper(), *rest])
    return metric.replace("_", " ")


def score(value: float | None) -> str:
    """Three decimals below ten, fewer above."""
    if value is None or not isfinite(value):
        return MISSING
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 0
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float | None) -> str:
    """A difference: its sign is always shown, and nothing is written as minus nought."""
    text = score(value)
    if text == MISSING or not text.strip("0.−"):
        return text.replace(MINUS, "")
    return text if text.startswith(MINUS) else f"+{text}"


def chance(p: float) -> str:
    """A p-value."""
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


def count(value: float | None) -> str:
    """43,008 -> `43.0 k`; exact below ten thousand."""
    return _scaled(value, 1000, ("", " k", " M", " B", " T"), exact_below=10_000)


def size(value: float | None) -> str:
    """Bytes with a decimal prefix."""
    return _scaled(value, 1000, (" B", " kB", " MB", " GB", " TB"), exact_below=1000)


def _scaled(value: float | None, base: int, units: tuple[str, ...], exact_below: float) -> str:
    if value is None or not isfinite(value):
        return MISSING
    if abs(value) < exact_below:
        return f"{value:,.0f}{units[0]}"
    power = 0
    while abs(value) >= base and power < len(units) - 1:
        value, power = value / base, power + 1
    return f"{value:.3g}{units[power]}" if value < 999.5 else f"{value:.0f}{units[power]}"


def seconds(value: float | None) -> str:
    """`23 ms`, `4.1 s`, `1 min 01 s`, `2 h 05 min`."""
    if value is None or not isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 60:
        return f"{value:.3g} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60):02d} min"


def percent(share: float | None) -> str:
    """A share of one: `100 %`, `2.8 %`, `0.0046 %`, `0 %`."""
    if share is None:
        return MISSING
    value = 100 * share
    if value == 0 or value >= 99.95:
        return f"{value:.0f} %"
    return f"{value:.2g} %" if value < 10 else f"{value:.0f} %"


def short(name: str, longest: int = 22) -> str:
    """A name that leaves a plot room for its data."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def task_name(task: str) -> str:
    """`town/sentiment` -> `sentiment`; a name without a family stays."""
    return task.rsplit("/", 1)[-1].replace("_", " ")
