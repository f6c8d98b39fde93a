"""Evaluate by leaving author files out: every note is read by a model that saw no file of its author."""

import argparse
import os
import sys
from pathlib import Path

from analyzer.errors import AnalyzerError
from analyzer.evaluation import confusion, cross_validate, evaluation_jobs, report
from analyzer.fitting import Settings
from analyzer.model_card import confusion_table, metrics_table
from analyzer.training_run import TrainingData

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Parse the arguments, evaluate, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder with corpus/ and lexicons/")
    parser.add_argument("--folds", type=int, default=0, help="groups of author files (0: leave out one file at a time)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    settings = Settings(seed=options.seed)
    try:
        data = TrainingData.read(options.data)
    except AnalyzerError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    jobs = evaluation_jobs(data.examples, data.topic_phrases, data.lexicon, settings, options.folds)
    scored = cross_validate(jobs, options.workers)
    print(metrics_table(report(scored, settings)))
    print()
    print(confusion_table(confusion(scored)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
