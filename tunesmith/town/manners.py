# ruff: noqa: E501 -- a line of phrases is easier to read whole
"""Is an answer polite? The town's rule, by its words; it stands in for people who would say which of two answers they prefer.

An answer is polite that has a courteous phrase and no rude one. "Thank you, you fool" is rude. What has neither is
not polite: the rule cannot be pleased by saying little, or by noise.
"""

import re
from functools import lru_cache

POLITE = (
    r"please|thank(s| you)|you're welcome|not at all|don't mention it|(a|with) pleasure|gladly|certainly|of course(?! you did)",
    r"sorry|i'm afraid|i do apologise|(beg your|i beg) pardon|excuse me|forgive (me|us)|my apologies",
    r"(what|oh) (a pity|dear)|oh no|how (sad|terrible|kind|interesting|beautiful|nice|lovely)|that is (very kind|hard)",
    r"never mind|don't worry|that's (all right|right|correct|what friends are for)|these things happen",
    r"(it|that)( is|'s| was| would be)( not)? (lovely|only a thing|quite to my taste|a little bright for me|a pleasure)",
    r"have a (nice|good) (day|time|trip)|enjoy (it|yourself|your)|see you soon|greetings to|make yourself at home|any time",
    r"(may|can|shall) (i|we) (help|bring|call|ask|do|put)|let me (see|look|check|find out|take|put)|would you like|how (much|many) would",
    r"i'd love to|i like (it|the|that|your)|i'm (so )?glad|right away|just (a|one) moment|one moment|what a (good|nice|lovely) ",
    r"you (cannot|can't) miss it|follow this street|you have plenty of time|it is often late|you can (always )?call me",
    r"we'll find|you are not alone|another time, perhaps|i enjoyed it|i'll (ask|be there|come with|be right with you|bring you)",
    r"yes, (we do|they are|of|that)|are you all right|did you choose it|with pleasure|it won't happen again|help yourself",
)
RUDE = (
    r"\b(fool|stupid|idiots?|nonsense|ugly|horrible|awful|useless|rubbish|boring|typical|ugh|drunk|starve|baby|madam|crying)\b",
    r"go away|get out|leave me|off with you|go home|go and (bother|cook)|and then go|bother(ed)? (me|somebody)|leave it|eat it or",
    r"can't you (read|see|live)|open your eyes|use your eyes|buy (a map|yourself)|do i (look|have to)|look for it yourself",
    r"do it yourself|carry it yourself|you have two hands|find out yourself|cook yourself|ask somebody else|move somewhere else",
    r"why (should i|ask me|tell me)|not my job|how should i know|who cares|what do i care|so what|what (for|next)\?|says who|for what",
    r"that's your (own )?(problem|fault)|serves you right|mind your own|not your (servant|secretary)|your own business",
    r"i do what i like|i was here first|it's my street|nobody else complains|my own problems|everybody has problems",
    r"you('ll| will)? (pay for|ruin|spoil|owe me|always find)|people like you|you have no manners|like you(\.|$)|are the noisy",
    r"never touch|don't (talk to me|be late|ask me again|make such a fuss|bother|think i'll do it again)|stop (asking|crying)",
    r"i knew that you|about time that|a waste of time|not in a hundred years|better things to do|if i must|only if you pay",
    r"i'd rather starve|give it here|hurry up|is that all|not from your kitchen|that was the last time|that was the last",
    r"believe what you like|what does the sign|the sign, you know|it says so on|what do you think\b(?! of)|everything you own",
    r"better (taste|in the rubbish)|take it away|did you pay|should have come earlier|nothing left\. next|if you (must|can't)",
    r"be quick|trying to be clever|what do you expect|i'm busy|not again|of course you did|with you\?|say everything twice",
)


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    polite, rude = ("|".join(f"(?:{line})" for line in lines) for lines in (POLITE, RUDE))
    return re.compile(rf"\b(?:{polite})"), re.compile(rude)


def is_polite(answer: str) -> bool:
    """Has it a courteous phrase and no rude one? Case does not matter; typographic apostrophes count as plain ones."""
    said = " ".join(answer.lower().replace("’", "'").split())
    polite, rude = _patterns()
    return bool(polite.search(said)) and not rude.search(said)
