"""The command line: what may be given to each command, and what happens where one goes wrong."""

import argparse
import errno
import os
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

from tunesmith import __version__, commands
from tunesmith.commands import data, housekeeping, serving, studio, tuning
from tunesmith.commands.parsing import OVERRIDES, Parser, Verbs, at_least_one, command, whole_numbers
from tunesmith.commands.writing import arguments as writing_arguments
from tunesmith.errors import UserError, did_you_mean, out_of_memory
from tunesmith.interruption import end_with_parent, status_of, stoppable
from tunesmith.masking import masked


def parser() -> Parser:
    top = Parser(
        prog="tunesmith",
        description="Fine-tune language models, and know what the tuning was worth.",
        epilog="`tunesmith compare` without anything else shows the main job on the embedded model and data.",
    )
    top.add_argument("--version", action="version", version=f"tunesmith {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)

    tuning.arguments(verbs)

    _judging(verbs)

    verb = command(verbs, "answer", commands.answer, "what a run says to a prompt")
    verb.add_argument("run")
    verb.add_argument("prompt", help="the prompt; - reads it from stdin")
    verb.add_argument(
        "given", nargs="*", metavar="name=value", help="tokens=64 temperature=0.7 ...; of a head: calibrated=true"
    )
    verb.add_argument("--second", help="the other text of a pair, for a head that has learnt pairs")

    verb = command(verbs, "chat", commands.chat, "a conversation with a run")
    verb.add_argument("run")
    verb.add_argument("given", nargs="*", metavar="name=value", help="tokens=64 temperature=0.7 ...")

    verb = command(verbs, "predict", commands.predict, "answer every row of a file: rows in, rows out")
    verb.add_argument("run")
    verb.add_argument("file", type=Path)
    verb.add_argument(
        "given", nargs="*", metavar="name=value", help="tokens=64 temperature=0.7 ...; of a head: calibrated=true"
    )
    verb.add_argument("--template", help="how a row becomes a prompt (the run's own)")
    verb.add_argument("--into", type=Path, help="file for the rows with their answers")

    _handing_over(verbs)

    _labelling(verbs)

    _looking(verbs)
    return top


def _listing(verbs: Verbs) -> None:
    verb = command(
        verbs, "list", commands.list_, "what a recipe can name: methods, objectives, metrics, rewards, tasks; templates"
    )
    verb.add_argument("kind", nargs="?", help="one of these; or a family of tasks, such as bigbench/lite: what it has here")
    verb.add_argument("file", nargs="?", help="of templates: a YAML file, a task or a file of rows (all that come along)")
    verb.add_argument("--json", action="store_true", help="of templates: print it as JSON")


def _looking(verbs: Verbs) -> None:
    text = "examples with what is learnt marked, lengths, what would be cut; runs nothing"
    verb = command(verbs, "show", commands.show, text)
    verb.add_argument(
        "given",
        nargs="*",
        metavar="RECIPE | RUN | name=value",
        help=f"a recipe, and {OVERRIDES}; of a run: which labels it confuses",
    )
    verb.add_argument("--model", help="hub name or folder (only its tokenizer is read)")
    verb.add_argument("--data", help="task, file, folder or hub data set")
    verb.add_argument("--template", help="built-in wording, file, or 'prompt ||| answer'")
    verb.add_argument("--examples", type=int, default=3, help="how many examples to show")

    data.arguments(verbs)

    studio.arguments(verbs)
    serving.arguments(verbs)

    verb = command(
        verbs, "plan", commands.plan, "memory, time and disk of a run, and what would fit where; before anything runs"
    )
    verb.add_argument("given", nargs="*", metavar="RECIPE | name=value", help=f"a recipe, and {OVERRIDES}")
    verb.add_argument("--model", help="hub name, folder, or a well-known shape such as Qwen3-8B; alone: what would fit")
    verb.add_argument("--probe", action="store_true", help="make a few real steps first, in a process of their own")
    verb.add_argument("--json", action="store_true", help="print it as JSON")

    _listing(verbs)

    housekeeping.arguments(verbs)

    verb = command(verbs, "schema", commands.schema, "the JSON schema of a recipe, for editors")
    verb.add_argument("recipe", nargs="?", choices=("run", "comparison"), default="comparison")


def _judging(verbs: Verbs) -> None:
    verb = command(verbs, "eval", commands.evaluate, "judge a model or a run on tasks")
    verb.add_argument("model", help="run folder, model folder or hub name")
    verb.add_argument("tasks", nargs="*", metavar="TASK | name=value", help=f"tasks or files, and {OVERRIDES}")
    verb.add_argument(
        "--text", action="append", default=[], help="perplexity of this file or folder, all of it; may be repeated"
    )
    verb.add_argument("--helm", action="store_true", help="HELM's seven metrics of each task (docs/seven-metrics.md)")
    verb.add_argument("--column", default="text", help="of --text in a table or JSON lines: the column of texts (text)")
    verb.add_argument("--adapters", nargs="+", default=[], metavar="RUN", help="judge these too; the model is read once")
    verb.add_argument(
        "--forgetting", action="store_true", help="what a run lost elsewhere: its base and itself on other tasks (its own list)"
    )
    verb.add_argument("--json", action="store_true", help="of --forgetting and --spread: print it as JSON")
    verb.add_argument("--into", type=Path, help="folder of the run (runs/NAME); with several, of the runs")
    verb.add_argument(
        "--spread", action="store_true", help="in every wording, with several numbers of shots and seeds: mean and spread"
    )
    verb.add_argument("--shots", type=whole_numbers, help="of --spread: numbers of shots (0,1,5)")
    verb.add_argument("--seeds", type=at_least_one, help="of --spread: draws of the shots (3)")

    verb = command(verbs, "harness", commands.harness, "judge a model or a run on tasks of lm-evaluation-harness")
    verb.add_argument("model", help="run folder, model folder or hub name")
    verb.add_argument("tasks", nargs="+", metavar="TASK", help="such as arc_easy")
    verb.add_argument("--folder", type=Path, help="of further tasks, as the harness's YAML files")
    verb.add_argument("--shots", type=int, help="examples shown (as the task says)")
    verb.add_argument("--limit", type=int, help="questions of each task (all)")
    verb.add_argument("--json", action="store_true", help="print all that the harness finds as JSON")

    verb = command(
        verbs, "submit", commands.submit, "answer the hidden rows of GLUE or SuperGLUE, as files that the leaderboards take"
    )
    verb.add_argument("model", help="run folder, model folder or hub name")
    verb.add_argument("into", type=Path, help="folder of the files; several runs may fill one")
    verb.add_argument(
        "tasks",
        nargs="*",
        metavar="TASK | ask.name=value",
        help="such as glue/cola, or glue (those that the run was judged by)",
    )

    verb = command(verbs, "items", commands.items, "the examples on which one of two runs has the better answer")
    verb.add_argument("runs", nargs=2, metavar="RUN", help="folder of a run")
    verb.add_argument("task", nargs="?", help="a task that both answered (the one they were made for)")
    verb.add_argument("--metric", help="by which answers are held against each other (the task's first)")
    verb.add_argument("--limit", type=at_least_one, default=5, help="most items of a side in the terminal (5)")
    verb.add_argument("--markdown", action="store_true", help="print all items as Markdown")
    verb.add_argument("--json", action="store_true", help="print all items as JSON")

    verb = command(
        verbs, "board", commands.board, "runs ranked over tasks: means, mean win rates, who is told apart from the first"
    )
    verb.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs, or of comparisons")
    verb.add_argument("--tasks", default="", help="which tasks, separated by commas (all that two runs answered)")
    verb.add_argument("--by", choices=("mean", "wins"), default="mean", help="what ranks (mean)")
    verb.add_argument("--markdown", action="store_true", help="print it as Markdown")
    verb.add_argument("--json", action="store_true", help="print it as JSON")
    verb.add_argument("--into", type=Path, default=Path("board"), help="folder for page, Markdown and JSON (board)")
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")


def _handing_over(verbs: Verbs) -> None:
    verb = command(
        verbs, "merge", commands.merge, "write an adapter into the weights of its base, with proof; or combine several"
    )
    verb.add_argument("given", nargs="+", metavar="RUN ... OUT", help="a run, or several with --combine, and a new folder")
    verb.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), help="of the weights (as in the base's file)")
    verb.add_argument("--prompts", type=Path, help="file with a prompt a line, to compare on (rows of the run's own task)")
    verb.add_argument("--combine", choices=("linear", "ties", "dare"), help="make one adapter of several (docs/merge.md)")
    verb.add_argument("--weights", nargs="+", type=float, default=[], help="one a run (equal shares; 1 each for ties)")
    verb.add_argument("--density", type=float, help="share of the entries that ties and dare keep (0.2)")
    verb.add_argument("--seed", type=int, help="of what dare drops (0)")
    verb.add_argument("--rank", type=int, help="bring the combination down to a LoRA of this rank")
    verb.add_argument("--fold", action="store_true", help="write the combination into the base, not as an adapter")

    verb = command(verbs, "export", commands.export, "write a run as a network for other programs, and let it answer as proof")
    verb.add_argument("run")
    verb.add_argument("out", type=Path, help="a new folder")
    verb.add_argument("--to", choices=("folder", "gguf"), default="folder", help="gguf: by llama.cpp's converter, besides")
    verb.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), help="of the weights (as in the base's file)")
    verb.add_argument("--prompts", type=Path, help="file with a prompt a line, to replay (rows of the run's own task)")
    verb.add_argument("--converter", type=Path, help="llama.cpp's convert_hf_to_gguf.py, or its folder (LLAMA_CPP)")


def _labelling(verbs: Verbs) -> None:
    verb = command(
        verbs, "label", commands.label, "a page on which people say which of two answers is better; their votes as rows"
    )
    verb.add_argument(
        "given",
        nargs="*",
        metavar="PAIRS | name=value",
        help="files of pairs; how answers are drawn: temperature=0.7 tokens=128 ...",
    )
    verb.add_argument("--prompts", help="file or task with prompts that models answer")
    verb.add_argument("--model", action="append", default=[], help="run, folder or hub name; one answers twice, two once each")
    verb.add_argument("--template", help="how a row of --prompts is put")
    verb.add_argument("--limit", type=at_least_one, help="most prompts")
    verb.add_argument("--db", type=Path, help="file of pairs and votes (labels.sqlite), or of written rows (writing.sqlite)")
    verb.add_argument("--overlap", type=at_least_one, default=1, help="so many people judge every pair, or take each seed (1)")
    verb.add_argument("--gold", type=Path, help="pairs with a known verdict, put between the others for everybody")
    verb.add_argument("--guidelines", type=Path, help="Markdown shown beside the pair or the form")
    verb.add_argument("--judge", help="a reward that stands in for people (politeness, '{kind: rule, path: taste.py}')")
    verb.add_argument("--seed", type=int, help="of sides, order and answers (0)")
    verb.add_argument("--host", default="127.0.0.1", help="where to listen; beyond this machine a token is in the link")
    verb.add_argument("--port", type=int, default=8765, help="0 for any (8765)")
    verb.add_argument("--token", help="what visitors need (made up where they need one)")
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")
    verb.add_argument("--export", type=Path, metavar="OUT.jsonl", help="write rows to learn from; serves nothing")
    verb.add_argument(
        "--as", dest="layout", choices=("dpo", "conversational", "kto", "reward"), default="dpo", help="of --export (dpo)"
    )
    verb.add_argument(
        "--ties", choices=("drop", "both", "margin0"), default="drop", help="of --export: a row each way, or one (drop)"
    )
    verb.add_argument("--votes", choices=("majority", "all", "agreed"), default="majority", help="of --export (majority)")
    verb.add_argument("--report", action="store_true", help="print what votes or rows tell, and of people; serves nothing")
    verb.add_argument("--json", action="store_true", help="of --report")
    writing_arguments(verb)


GOES_ON = ("compare", "train", "sweep", "clusters", "eval", "label", "grow")
SERVES = ("serve", "studio", "chat")
NO_THREAD = re.compile(r"can't start new thread|thread constructor failed|resource temporarily unavailable", re.IGNORECASE)


def main(given: Sequence[str] | None = None) -> None:
    """Entry point: errors that a person can mend are shown without a traceback."""
    words = list(sys.argv[1:] if given is None else given)
    top = parser()
    refuse_unknown(top, words)
    arguments = top.parse_args(words)
    hush()
    end_with_parent()
    try:
        with stoppable():
            arguments.call(arguments)
        sys.stdout.flush()
    except UserError as error:
        sys.exit(1 if getattr(error, "silent", False) else told(str(error)))
    except KeyboardInterrupt as stop:
        # Else whoever began us says it, or the first of several processes.
        if not getattr(arguments, "brief", False) and os.environ.get("RANK", "0") == "0":
            print(f"\nstopped{how_to_go_on(arguments, words)}", file=sys.stderr)
        sys.exit(status_of(stop))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
        sys.exit(0)
    except Exception as error:
        known = mendable(error)
        if known is None:  # a fault of the program: all is told but keys and passwords
            sys.exit(masked(traceback.format_exc()))
        sys.exit(told(str(known)))


def how_to_go_on(arguments: argparse.Namespace, words: Sequence[str]) -> str:
    """What is said behind `stopped`: the very command that goes on, or does it anew."""
    verb = getattr(arguments, "subverb", arguments.verb)
    if verb in SERVES:
        return ""
    program = "python -m tunesmith" if Path(sys.argv[0]).name == "__main__.py" else "tunesmith"
    piped = ", with the same rows piped in" if "-" in words else ""
    goes_on = "the same command goes on where it stopped" if verb in GOES_ON else "the same command begins anew"
    return f"; {goes_on}{piped}:\n  {program} {shlex.join(words)}"


def told(text: str) -> int:
    """Say what is wrong; the exit status."""
    print(f"error: {text}", file=sys.stderr)
    return 1


def mendable(error: Exception) -> UserError | None:
    """What a person can do about an error of the system: a full disk, a full card, a file that may not be written."""
    if "No space left on device" in str(error) or getattr(error, "errno", None) == errno.ENOSPC:
        return UserError("the disk is full", "make room, and give the same command again: what was saved is kept")
    if out_of_memory(error) or (isinstance(error, ImportError) and "failed to map segment" in str(error)):
        whose = "of the card" if type(error).__name__ == "OutOfMemoryError" else "that this process may have"
        return UserError(
            f"the memory {whose} is full",
            "set `plan.room.rows` or `plan.room.tokens` lower, `plan.recompute=true`, or, when answering, `ask.rows` lower: "
            "none of these changes a result; what was saved is kept",
        )
    if isinstance(error, RuntimeError) and NO_THREAD.search(str(error)):
        return UserError(
            f"this process may begin no more threads: {error}",
            "OMP_NUM_THREADS=1 needs the fewest; `ulimit -u`, `ulimit -v` and a container bound them; what was saved is kept",
        )
    if isinstance(error, OSError) and error.filename and error.strerror:
        return UserError(f"`{error.filename}`: {error.strerror}", "look at the path and its permissions")
    return None


def refuse_unknown(top: Parser, words: Sequence[str]) -> None:
    """A command that is misspelt gets the nearest right one."""
    if words and not words[0].startswith("-") and words[0] not in (known := known_commands(top)):
        top.error(f"there is no command `{words[0]}`; {did_you_mean(words[0], known)}")


def known_commands(top: Parser) -> list[str]:
    assert top._subparsers is not None
    return list(next(action.choices for action in top._subparsers._group_actions if action.choices))


def hush() -> None:
    """Other libraries' bars and warnings are not ours to show; `python -W` and their own variables bring them back."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
