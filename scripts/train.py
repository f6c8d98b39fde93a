"""Train a model on data/ and write it, with its metrics and model card, into a folder."""

import argparse
import os
import sys
from pathlib import Path

from analyzer.errors import AnalyzerError
from analyzer.fitting import Settings
from analyzer.model_card import metrics_table
from analyzer.training_run import TrainingData, train

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Parse the arguments, train, print the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder with corpus/ and lexicons/")
    parser.add_argument("--output", type=Path, default=ROOT / "models" / "default", help="folder for the model")
    parser.add_argument("--folds", type=int, default=4, help="groups of author files in the evaluation (0: one a file)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    experiments = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    try:
        data = TrainingData.read(options.data)
    except AnalyzerError as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    metrics = train(
        data, options.output, Settings(seed=options.seed),
        folds=options.folds, workers=options.workers, experiments=experiments,
    )  # fmt: skip
    print(metrics_table(metrics))
    print(f"model written to {options.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
