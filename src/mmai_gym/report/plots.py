"""Which plots a run calls for: the training curve, parity for every task with numbers, reliability for every
choice.

The numbers in a caption come from the table where the table has them, so that plot and table cannot disagree.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from mmai_gym.contracts import Choice, MissingExtra, Number, Result, Task, answer_form
from mmai_gym.report import figures
from mmai_gym.report.intervals import decimals, estimate_text, number
from mmai_gym.report.markup import Markup, element, join
from mmai_gym.report.material import Chapter, Training, TrainingCurve

_FEWEST = 10
"""Points below which a scatter or a calibration curve says nothing."""


def training_section(training: Training) -> Markup:
    """Loss against tokens, and how fast it went; '' where the run folder holds no training."""
    complaints = [element("p", complaint, class_="note") for complaint in training.complaints]
    curve = training.curve
    if curve is None or not (curve.loss or curve.validation):
        return join(complaints)
    try:
        drawn = figures.training_curve(curve.loss, curve.validation, curve.stages, "training")
    except MissingExtra as error:
        return join([*complaints, element("p", f"The training curve is not drawn: {error}", class_="note")])
    caption = element("figcaption", _training_caption(curve))
    figure = element("figure", element("div", drawn, class_="wide"), caption, class_="plot")
    return join([*complaints, figure])


def _training_caption(curve: TrainingCurve) -> str:
    said = []
    if curve.loss:
        seen, loss = curve.loss[-1]
        said.append(f"Last training loss {loss:.3f} after {seen:,.0f} tokens.")
    if curve.validation:
        lowest = min(loss for _, loss in curve.validation)
        said.append(f"Lowest validation loss {lowest:.3f}, last {curve.validation[-1][1]:.3f}.")
    if curve.speeds:
        said.append(f"Median speed {statistics.median(curve.speeds):,.0f} tokens/s.")
    return " ".join(said)


def answer_plots(chapter: Chapter) -> Markup:
    """Parity and reliability plots of the model, family by family; a note where nothing can be plotted."""
    model = chapter.table.model
    found: list[Markup | None] = []
    try:
        for family in chapter.table.families:
            for task, results in chapter.of_family(family, model).items():
                found.append(_task_plot(chapter, chapter.tasks[task], results, f"{chapter.key}p{len(found)}"))
    except MissingExtra as error:
        return element("p", f"The plots are not drawn: {error}", class_="note")
    drawn = [plot for plot in found if plot is not None]
    if not drawn:
        return element("p", f"No task asks for a number or a probability from {model}.", class_="muted")
    how_to_read = (
        "Choices: share of right answers against the model’s own confidence, in groups of equal size with 95 % "
        "intervals; on the dashed line, confidence means what it says. Numbers: predicted against true values; the "
        "dashed line is a perfect prediction."
    )
    return join([element("p", how_to_read, class_="muted small"), element("div", *drawn, class_="plots")])


def _task_plot(chapter: Chapter, task: Task, results: Sequence[Result], prefix: str) -> Markup | None:
    form = answer_form(task.question(results[0].example)) if results else None
    if isinstance(form, Number):
        return _parity(chapter, task, results, form.unit, prefix)
    if isinstance(form, Choice):
        return _reliability(task, results, prefix)
    return None


# --------------------------------------------------------------------------------------------------- numbers


def predicted_value(result: Result) -> float:
    """The number a model gave: its expected value, else its written answer, else NaN."""
    if result.prediction.value is not None:
        return float(result.prediction.value)
    try:
        return float(result.first.answer or "nan") if result.verdicts else math.nan
    except ValueError:
        return math.nan


def _parity(chapter: Chapter, task: Task, results: Sequence[Result], unit: str, prefix: str) -> Markup | None:
    pairs = [(float(task.answer(result.example) or "nan"), predicted_value(result)) for result in results]
    finite = [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
    if len(finite) < _FEWEST:
        return None
    measured, predicted = zip(*finite, strict=True)
    said = [element("b", task.name), ". "]
    for model, name in ((chapter.table.model, "MAE"), ("baseline:constant", "a constant answer")):
        estimate = chapter.estimate(task.name, model, "mae")
        if estimate is not None:
            said += [f"{name} ", estimate_text(estimate, decimals([estimate])), f" {unit}; " if unit else "; "]
    said.append(f"{len(finite):,} molecules")
    if len(finite) > figures.MAX_POINTS:
        said.append(f", {figures.MAX_POINTS} of them drawn")
    low, high = figures.parity_frame(measured, predicted)
    if outside := sum(not low <= y <= high for y in predicted):
        said.append(f"; outside the frame (crosses): {outside:,}")
    if len(finite) < len(pairs):
        said.append(f"; answers without a number, not in the plot: {len(pairs) - len(finite):,}")
    label = f"Predicted against true values of {task.name}"
    plot = figures.parity(measured, predicted, unit, prefix, label)
    return element("figure", plot, element("figcaption", *said, "."), class_="plot")


# --------------------------------------------------------------------------------------------------- choices


def _reliability(task: Task, results: Sequence[Result], prefix: str) -> Markup | None:
    sure: list[float] = []
    right: list[bool] = []
    for result in results:
        if belief := result.prediction.probabilities:
            option = max(belief, key=lambda name: belief[name])
            if math.isfinite(belief[option]):
                sure.append(belief[option])
                right.append(option == task.answer(result.example))
    if len(sure) < _FEWEST:
        return None
    mean_sure, share = statistics.fmean(sure), statistics.fmean(right)
    excess = mean_sure - share
    said = (
        "as sure as it is right"
        if abs(excess) < 0.05
        else "surer than it is right"
        if excess > 0
        else "less sure than it is right"
    )
    caption = join(
        [
            element("b", task.name),
            f". Mean confidence {number(mean_sure, 2)}, share right {number(share, 2)}: on average {said}; "
            f"{len(sure):,} answers.",
        ]
    )
    plot = figures.reliability(sure, right, prefix, f"Reliability of the probabilities of {task.name}")
    return element("figure", plot, element("figcaption", caption), class_="plot")
