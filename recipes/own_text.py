"""A causal model tells texts of its own: what it was trained on, where that is not at hand, to replay and to measure by.

    python recipes/own_text.py ../shared/models/stories260K --into scratch/stories

Drawn at temperature 1 from the model's own distribution (pseudo-rehearsal: Robins, 1995; LAMOL: Sun et al., 2020). On them the
cross-entropy of a tuned model less that of the model itself is, but for how a text is spelled anew, their divergence.
"""

import argparse
import json
from pathlib import Path

from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model

TEST = 4  # of so many texts one is for tests


def told(model: Model, count: int, tokens: int, seed: int) -> list[str]:
    """Texts from nothing but the beginning of a text; one ends where the model ends it, or begins the next."""
    begin = model.renderer.head or (model.renderer.end,)
    ends = model.renderer.stops | {*begin}
    texts = []
    for spoken in generate(model, [begin] * count, Sampling(tokens, temperature=1.0, seed=seed)):
        end = next((place for place, id_ in enumerate(spoken.ids) if id_ in ends), len(spoken.ids))
        texts.append(model.renderer.say(spoken.ids[:end]))
    return list(dict.fromkeys(text for text in texts if len(text.split()) > 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--into", type=Path, default=Path("scratch/stories"))
    parser.add_argument("--texts", type=int, default=800)
    parser.add_argument("--tokens", type=int, default=480, help="most tokens of a text")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    model = load(ModelSettings(given.model))
    if model.family != "causal":
        raise SystemExit(str(UserError(f"`{given.model}` tells no texts: it is a {model.family} network", "name a causal one")))
    texts = told(model, given.texts, given.tokens, given.seed)
    given.into.mkdir(parents=True, exist_ok=True)
    for split, chosen in (("train", [t for n, t in enumerate(texts) if n % TEST]), ("test", texts[::TEST])):
        lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in chosen]
        (given.into / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{given.into / split}.jsonl: {len(chosen)} texts")


if __name__ == "__main__":
    main()
