"""Many adapters on one base: its weights are read once, and each adapter in turn is put on and taken off."""

from dataclasses import replace
from pathlib import Path

from tunesmith.models import load
from tunesmith.models.classifiers import has_head
from tunesmith.models.head import Head, HeadPlan
from tunesmith.models.load import ModelSettings, adapter_of, below, put_on
from tunesmith.models.model import Model


class OneBase:
    """Loads models as `load.load` does. Where the base of an adapter is the last one loaded, only the adapter's files are read.

    A model that was given before is not to be used once the next one is: they are the same network. An adapter that set weights
    of the network free has changed them, so after it the base is read anew.
    """

    def __init__(self) -> None:
        self._settings = ModelSettings()
        self._headed = False
        self._model: Model | None = None
        self._head: Head | None = None

    def __call__(self, source: ModelSettings, plan: HeadPlan | None = None) -> Model:
        """The model, with its adapter active."""
        adapter = adapter_of(source.path)
        if plan is not None:  # a new head stands on it
            self._model = None
            return load.load(source, plan)
        if adapter is None:
            return self._again(source, False) or self._anew(source, False)
        base, headed = below(source, adapter), has_head(adapter)
        return put_on(adapter, self._again(base, headed) or self._anew(base, headed))

    def _anew(self, base: ModelSettings, headed: bool) -> Model:
        self._model = None  # two networks need not stand in memory
        model = load.load(base, None, headed=headed)
        if not model.adapters:  # one below an adapter stays where it is
            self._settings, self._headed, self._model, self._head = _placed(base, model), headed, model, model.head
        return model

    def _again(self, base: ModelSettings, headed: bool) -> Model | None:
        """The base without the adapter that stood on it, or None where it is another one, or changed."""
        model = self._model
        if model is None or self._settings != _placed(base, model) or (model.wordless and not (headed and self._headed)):
            return None
        if any(adapter.freed for adapter in model.adapters.values()):
            return None
        for name in list(model.adapters):
            model.detach(name)
        model.stand(self._head)
        return model


def _placed(base: ModelSettings, model: Model) -> ModelSettings:
    """The settings with the folder they mean, and the commit of a repository that was asked for by its name alone."""
    path = str(Path(base.path).resolve()) if Path(base.path).is_dir() else base.path
    return replace(base, path=path, revision=base.revision or model.revision)
