"""A whole training run: read the corpus, evaluate by leaving authors out, fit on everything, write the model folder."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from analyzer.corpus import Example, corpus_hash, read_corpus, read_topic_phrases
from analyzer.evaluation import Estimate, confusion, evaluation_jobs, report, run_fold
from analyzer.fitting import Settings
from analyzer.lexicon import Lexicon, read_lexicons
from analyzer.model_card import model_card
from analyzer.model_store import save_model
from analyzer.training import fit_model, versions


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingData:
    """What a model is trained on.

    Attributes:
        examples: annotated notes and fragments.
        topic_phrases: further (topic, phrase) pairs.
        lexicon: word classes.
        sha256: hash of the corpus files.
    """

    examples: list[Example]
    topic_phrases: list[tuple[str, str]]
    lexicon: Lexicon
    sha256: str

    @classmethod
    def read(cls, folder: Path) -> TrainingData:
        """Read ``corpus/`` and ``lexicons/`` of ``folder``."""
        corpus = folder / "corpus"
        return cls(
            read_corpus(corpus),
            read_topic_phrases(corpus),
            Lexicon(read_lexicons(folder / "lexicons")),
            corpus_hash(corpus),
        )

    def counts(self) -> dict[str, int]:
        """Return the numbers of notes, fragments, phrases, concern spans and authors."""
        whole = [example for example in self.examples if not example.is_fragment]
        return {
            "notes": len(whole),
            "fragments": len(self.examples) - len(whole),
            "topic_phrases": len(self.topic_phrases),
            "concerns": sum(len(example.concerns or ()) for example in self.examples),
            "authors": len({example.author for example in whole}),
        }


def train(
    data: TrainingData, output: Path, settings: Settings, *, folds: int, workers: int, experiments: str
) -> dict[str, dict[str, Estimate]]:
    """Evaluate, fit on everything, and write weights, metadata and model card into ``output``.

    Returns:
        The metrics, as ``evaluation.report`` gives them.
    """
    jobs = evaluation_jobs(data.examples, data.topic_phrases, data.lexicon, settings, folds)
    with ProcessPoolExecutor(workers) as pool:
        # The final fit is as large as a fold's and runs beside them.
        final = pool.submit(fit_model, data.examples, data.topic_phrases, data.lexicon, settings)
        scored = [one for part in pool.map(run_fold, jobs) for one in part]
        model = final.result()
    metrics = report(scored, settings)
    metadata: dict[str, Any] = {
        "corpus": data.counts(),
        "data_sha256": data.sha256,
        "evaluation_folds": len(jobs),
        "lexicon_classes": len(data.lexicon.classes),
        "metrics": {voice: _rounded(values) for voice, values in metrics.items()},
        "settings": dataclasses.asdict(settings),
        "versions": versions(),
    }
    save_model(dataclasses.replace(model, metadata=metadata), output)
    card = model_card(metadata, metrics, confusion(scored), experiments)
    (output / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    return metrics


def _rounded(values: dict[str, Estimate]) -> dict[str, list[float]]:
    """Return [value, low, high] of each metric, as the metadata keeps them."""
    return {name: [round(x, 4) for x in (one.value, one.low, one.high)] for name, one in values.items()}
