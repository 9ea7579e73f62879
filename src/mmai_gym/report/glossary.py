"""What each metric means, in one line, for a reader who did not write the benchmark."""

from __future__ import annotations

import re

_NAMES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "auroc": "AUROC",
    "auprc": "average precision",
    "pearson": "Pearson r",
    "spearman": "Spearman ρ",
    "success_at_0.6": "success at similarity 0.6",
    "success_first": "success of the first answer",
}

_MEANINGS = {
    "accuracy": "Share of examples whose first answer is right.",
    "balanced_accuracy": "Accuracy averaged over the classes; one constant answer earns 1 / number of classes.",
    "auroc": "Chance that a positive example gets a higher probability than a negative one; 0.5 is guessing.",
    "auprc": "Precision averaged over recall; guessing earns the share of positives.",
    "mae": "Mean absolute error, in the unit of the label; 0 is perfect.",
    "rmse": "Root of the mean squared error; large errors weigh more than in the MAE.",
    "pearson": "Linear correlation of predicted and measured values; 1 is perfect, 0 is none.",
    "spearman": "Correlation of the two rank orders; 1 is the perfect order, 0 is none.",
    "r2": "Share of the variance explained; 0 is always answering the mean.",
    "score": "Mean score of the first answer, with the partial credit that the verifier gives.",
    "validity": "Share of all answers that can be read as the structure asked for.",
    "success": "Share of inputs for which at least one answer meets the goal and the similarity floor.",
    "success_at_0.6": "Share of inputs with a success at the stricter similarity of 0.6.",
    "success_first": "Share of inputs whose first answer is a success.",
    "similarity": "Tanimoto similarity of input and most similar success, averaged over the inputs that have one.",
    "gain": "Best change of the property in the wanted direction, averaged over the inputs with a success.",
    "distinct": "Share of different answers among those given to one input.",
}
_TOP = re.compile(r"top_(\d+)")
_LARGEST = re.compile(r"max_fragment_top_(\d+)")
_CLASS = re.compile(r"top_1_class_(\d+)")


def metric_name(metric: str) -> str:
    """A metric's name as the field writes it."""
    if largest := _LARGEST.fullmatch(metric):
        return f"largest fragment, top {largest.group(1)}"
    if within := _CLASS.fullmatch(metric):
        return f"top 1, reaction class {within.group(1)}"
    return _NAMES.get(metric, metric.replace("_", " "))


def metric_meaning(metric: str) -> str | None:
    """One sentence, None for a metric that only its task knows."""
    if top := _TOP.fullmatch(metric):
        return f"Share of examples with a right answer among the first {top.group(1)} given."
    if largest := _LARGEST.fullmatch(metric):
        return f"Share of examples where the largest molecule is right in one of the first {largest.group(1)} answers."
    if within := _CLASS.fullmatch(metric):
        return (
            f"Share of right first answers among the reactions of class {within.group(1)}, which no model is told."
        )
    return _MEANINGS.get(metric)
