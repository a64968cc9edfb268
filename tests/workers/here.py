"""Runs that a pool makes in this very process: for tests of what is around them."""

from tunesmith import experiment
from tunesmith.errors import UserError
from tunesmith.workers import pool, processes


class Done:
    """A worker that has ended."""

    where, told = "here", 0

    def __init__(self, status):
        self.status = status

    def poll(self):
        return self.status

    def pass_on(self, number):
        raise AssertionError


def made_here(monkeypatch, told):
    """Let pools make runs in this process; `told` hears of each job before it begins, and may let it fail."""

    def begin(self, job, slot):
        try:
            told(job)
            experiment.run(job.recipe, job.run.folder, quiet=True)
        except UserError as error:
            self.logs.mkdir(exist_ok=True, parents=True)
            (self.logs / f"{job.recipe.name}.log").write_text(f"error: {error}\n", encoding="utf-8")
            return Done(1)
        return Done(0)

    monkeypatch.setattr(pool, "POLL", 0)
    monkeypatch.setattr(processes.Processes, "begin", begin)


def names_here(monkeypatch, folder):
    """Names of the runs that pools make in this process, in a folder, as they begin."""
    monkeypatch.chdir(folder)
    names = []
    made_here(monkeypatch, lambda job: names.append(job.recipe.name))
    return names
