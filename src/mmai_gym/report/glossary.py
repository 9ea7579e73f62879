"""What each metric means, in one line, for a reader who did not write the benchmark."""

from __future__ import annotations

import re

_NAMES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mse": "MSE",
    "rm2": "r_m²",
    "rmse_cliff": "RMSE on cliffs",
    "constant_rmse": "RMSE of the training median",
    "majority": "accuracy of the majority",
    "auroc": "AUROC",
    "auprc": "average precision",
    "pearson": "Pearson r",
    "spearman": "Spearman ρ",
    "success_at_0.6": "success at similarity 0.6",
    "success_first": "success of the first answer",
    "success_first_at_0.6": "success of the first answer at similarity 0.6",
    "protocol_success": "success, published protocol",
    "protocol_success_at_0.4": "success, published protocol, at similarity 0.4",
    "protocol_success_at_0.6": "success, published protocol, at similarity 0.6",
    "protocol_success_first": "success of the first answer, published protocol",
    "protocol_success_first_at_0.6": "success of the first answer, published protocol, at similarity 0.6",
    "protocol_similarity": "similarity, published protocol",
    "protocol_improvement": "improvement, published protocol",
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
    "concordance_index": "Chance that of two different values the higher one is predicted higher; 0.5 is guessing.",
    "mse": "Mean squared error, in the squared unit of the label; 0 is perfect.",
    "rm2": "r² reduced by how far the fit misses the origin, as DeepDTA computes it; 1 is perfect.",
    "rmse_cliff": "RMSE over the molecules that are part of an activity cliff.",
    "majority": "Accuracy of always giving the more frequent answer: the floor beside the accuracy.",
    "constant_rmse": "RMSE of always answering the training median: the floor beside the RMSE.",
    "score": "Mean score of the first answer, with the partial credit that the verifier gives.",
    "validity": "Share of all answers that can be read as the structure asked for.",
    "success": "Share of inputs for which at least one answer meets the goal and the similarity floor.",
    "success_at_0.6": "Share of inputs with a success at the stricter similarity of 0.6.",
    "success_first": "Share of inputs whose first answer is a success.",
    "similarity": "Tanimoto similarity of input and most similar success, averaged over the inputs that have one.",
    "gain": "Best change of the property in the wanted direction, averaged over the inputs with a success.",
    "protocol_success": "Share of inputs with a success among 20 answers by the publication's own rule, tricks included.",
    "protocol_success_first": "Share of inputs whose first answer is a success by the publication's own rule.",
    "protocol_similarity": "Tanimoto similarity of input and best success by the publication's rule.",
    "relative_improvement": "Mean change of the properties relative to the input, over the best successes.",
    "valid_inputs": "Share of inputs with at least one readable answer.",
    "novelty": "Share of best successes that are none of the inputs.",
    "diversity": "1 - mean pairwise similarity: of the best successes, or of the successes of one input.",
    "improvement": "Best gain of the property at the similarity floor, 0 where there is none, averaged over all inputs.",
    "improvement_first": "The same for the first answer alone.",
    "protocol_improvement": "The same by the publication's own rule, tricks included.",
    "improved": "Share of inputs with any gain at the similarity floor.",
    "distinct": "Share of different answers among those given to one input.",
    "recovered": "Share of inputs for which the molecule they were made from is among the answers.",
    "recovered_first": "Share of inputs for which the first answer is the molecule they were made from.",
    "near": "Share of first answers that are valid, close to a known conformer and relaxed.",
    "valid_geometry": "Share of first answers that can be a geometry of the molecule.",
    "joined": "Share of all answers that hold the given fragments, bound where they should be and nowhere else.",
    "fits": "Share of all answers that join the fragments and leave them the distance that was asked for.",
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
