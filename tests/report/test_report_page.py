"""The page as a whole: self-contained, escaped, complete, and its numbers those of the table."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from report_records import ALL, EVIL, HOSTILE, NUMBERS, TinyTask, read_page, write_record, write_run

from mmai_gym import bench
from mmai_gym.contracts import Completion, DataError, Example, MissingExtra, Prediction, UsageError
from mmai_gym.report import drawings, figures, write_report
from mmai_gym.report.markup import text

PLAIN = [name for name in ALL if name != HOSTILE.name]


@pytest.fixture
def report(registry: object, tmp_path: Path) -> Path:
    record = write_record(tmp_path / "bench-small.jsonl", PLAIN)
    return write_report(record, write_run(tmp_path / "run"), tmp_path / "out" / "report.html")


def test_the_page_is_well_formed_and_loads_nothing(report: Path) -> None:
    page = read_page(report)
    names = {tag for tag, _ in page.tags}
    assert not page.faults
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "image"}
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert all(target.startswith("#") for target in page.attributes("href")) and not page.attributes("src")
    assert not re.search(r"url\((?!#)|@import|https?://", page.source)


def test_every_link_leads_to_the_one_element_of_its_id(report: Path) -> None:
    page = read_page(report)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in page.attributes("href")} <= set(ids)


def test_every_family_has_a_sentence_a_table_and_answers(report: Path) -> None:
    words = read_page(report).words
    for name in PLAIN:
        assert words.count(name.removeprefix("tiny/")) >= 3, name
    assert "Not right: 1 of 2" in words or "Not right: 2 of 2" in words
    assert "1.23 M" in words and "at most 12" in words


def test_the_numbers_of_the_page_are_the_estimates_of_the_table(report: Path) -> None:
    table = bench.table(report.parents[1] / "bench-small.jsonl")
    shown = read_page(report).numbers
    assert {repr(row.estimate.value) for row in table.rows} <= {value for value, _ in shown}
    for value, written in shown:
        if written == "undefined":
            assert value == "nan"
            continue
        number, percent = re.fullmatch(r"(−?[\d,.]+)( %)?", written).groups()  # type: ignore[union-attr]
        places = len(number.partition(".")[2])
        exact = float(value) * (100 if percent else 1)
        assert abs(float(number.replace("−", "-").replace(",", "")) - exact) <= 0.5000001 * 10**-places


def test_all_that_is_drawn_on_an_axis_lies_on_it(report: Path) -> None:
    places = re.findall(r'(?:x1|x2|cx)="(-?[0-9.]+)%"', report.read_text(encoding="utf-8"))
    assert len(places) > 20
    assert all(0.0 <= float(place) <= 100.0 for place in places)


def test_the_same_record_gives_the_same_bytes(report: Path) -> None:
    root = report.parents[1]
    again = write_report([root / "bench-small.jsonl"], root / "run", root / "again.html")
    assert again.read_bytes() == report.read_bytes()


def test_colours_named_by_drawings_exist_in_both_schemes(report: Path) -> None:
    light, dark = read_page(report).source.partition("prefers-color-scheme: dark")[::2]
    css = resources.files("mmai_gym.report").joinpath("page.css").read_text(encoding="utf-8")
    used = {c for colours in (drawings._PAGE_COLOURS, figures._PAGE_COLOURS) for c in colours.values()}
    used |= set(re.findall(r"var\(--[\w-]+\)", css)) - {"var(--mono)"}
    for name in (colour[4:-1] for colour in used if colour != "none"):
        assert f"{name}:" in light and f"{name}:" in dark, name


def test_training_is_drawn_and_its_last_losses_are_told(report: Path) -> None:
    page = read_page(report)
    assert "Last training loss 1.000 after 6,000 tokens. Lowest validation loss 1.250, last 1.250." in page.words
    assert "Median speed 5,000 tokens/s." in page.words
    assert "mmai-gym train nano-small --out runs/nano" in page.text


def test_parity_and_reliability_plots_tell_the_numbers_of_the_table(report: Path) -> None:
    words = read_page(report).words
    assert re.search(r"tiny/numbers\. MAE 0\.25.*? µmol/L; a constant answer 2\.5.*?; 40 molecules\.", words)
    assert "Mean confidence 0.70, share right 0.50: on average surer than it is right; 40 answers." in words


def test_strings_of_strangers_are_shown_and_never_run(
    registry: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attack(task: TinyTask, position: int, example: Example) -> Prediction:
        said = f"</pre>{EVIL}<answer>{EVIL}</answer>" if position % 2 else task.answer(example)
        return Prediction(example.id, (Completion(said),))

    record = write_record(
        tmp_path / "bench-evil.jsonl", [HOSTILE.name], model=EVIL, answer=attack, suite=EVIL, split=EVIL, limit=3
    )
    lines = [
        {"stage": EVIL, "step": 1, "loss": 1.0, "tokens": 5},
        {"stage": "b", "step": 2, "loss": 1.0, "tokens": 9},
    ]
    page = read_page(
        write_report(record, write_run(tmp_path / EVIL.replace("/", "_"), lines), tmp_path / "r.html")
    )
    assert not page.faults
    assert {"script", "img"}.isdisjoint({tag for tag, _ in page.tags})
    assert html.unescape(text(EVIL)) in page.text
    assert "\u202e" not in page.source


def test_an_invalid_molecule_is_shown_as_text_with_the_reason(report: Path) -> None:
    words = read_page(report).words
    assert "Not a molecule, so there is nothing to draw." in words and "C1CC(" in words


def test_a_megabyte_of_brackets_and_a_lone_surrogate_do_not_reach_the_page(
    registry: object, tmp_path: Path
) -> None:
    def flood(task: TinyTask, position: int, example: Example) -> Prediction:
        return Prediction(example.id, (Completion(f"<answer>{'(' * 1_000_000}\ud800</answer>"),))

    record = write_record(tmp_path / "bench-x.jsonl", ["tiny/structure", "tiny/count"], answer=flood)
    page = write_report(record, None, tmp_path / "r.html")
    assert page.stat().st_size < 200_000
    assert "more characters)" in page.read_text(encoding="utf-8")


def test_a_missing_drawing_library_costs_the_drawings_only(
    registry: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> str:
        raise MissingExtra("drawing needs libXrender.so.1: apt-get install libxrender1")

    monkeypatch.setattr(drawings, "molecule_svg", fails)
    record = write_record(tmp_path / "bench-small.jsonl", ["tiny/structure"])
    page = read_page(write_report(record, None, tmp_path / "r.html"))
    assert page.words.count("apt-get install libxrender1") == 1
    assert "CC(=O)Cl" in page.words


def test_missing_matplotlib_costs_the_plots_only(
    registry: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, extra: str) -> None:
        raise MissingExtra(f"matplotlib is not installed; run: pip install 'mmai-gym[{extra}]'")

    monkeypatch.setattr(figures, "require", fails)
    record = write_record(tmp_path / "bench-small.jsonl", [NUMBERS.name])
    page = read_page(write_report(record, write_run(tmp_path / "run"), tmp_path / "r.html"))
    assert page.words.count("pip install 'mmai-gym[bench]'") == 2
    assert "tiny/numbers" in page.words


def test_a_record_of_a_baseline_alone_needs_no_run_folder(registry: object, tmp_path: Path) -> None:
    record = write_record(tmp_path / "bench-small.jsonl", ["tiny/structure"], model="baseline:constant")
    page = read_page(write_report(record, None, tmp_path / "r.html"))
    assert "No answers that could be compared with a trivial baseline." in page.words
    assert "Training" not in page.words and not page.faults


def test_an_empty_run_folder_gives_no_training_section(registry: object, tmp_path: Path) -> None:
    record = write_record(tmp_path / "bench-small.jsonl", ["tiny/structure"])
    assert "Training" not in read_page(write_report(record, tmp_path, tmp_path / "r.html")).words


def test_a_damaged_training_log_is_named_and_the_rest_is_written(registry: object, tmp_path: Path) -> None:
    record = write_record(tmp_path / "bench-small.jsonl", ["tiny/structure"])
    run = write_run(tmp_path / "run")
    (run / "log.jsonl").write_text("not json\n{}\n")
    page = read_page(write_report(record, run, tmp_path / "r.html"))
    assert "log.jsonl, line 1" in page.words and "1.23 M" in page.words and "tiny/structure" in page.words


def test_two_records_stand_on_one_page_with_ids_of_their_own(registry: object, tmp_path: Path) -> None:
    records = [
        write_record(tmp_path / f"bench-{suite}.jsonl", ["tiny/numbers", "tiny/structure"], suite=suite)
        for suite in ("core", "small")
    ]
    page = read_page(write_report(records, None, tmp_path / "r.html"))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids)) and {target[1:] for target in page.attributes("href")} <= set(ids)
    assert "Results (core: nano)" in page.words and "Results (small: nano)" in page.words


def test_undecided_completions_are_counted_and_not_called_wrong(
    registry: dict[str, TinyTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmai_gym.contracts import Reason, Verdict

    task = registry["tiny/structure"]
    monkeypatch.setattr(task, "verify", lambda example, text: Verdict(None, Reason.TIMEOUT))
    page = read_page(write_report(write_record(tmp_path / "b.jsonl", [task.name]), None, tmp_path / "r.html"))
    assert "Without a verdict, and counted neither right nor wrong: 4 × timeout." in page.words
    assert "4 completions without a verdict" in page.words and "Not right: none" in page.words


def test_bad_input_names_what_and_the_fix(registry: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mmai-gym bench"):
        write_report([], None, tmp_path / "r.html")
    with pytest.raises(DataError, match="nowhere"):
        write_report(tmp_path / "nowhere.jsonl", None, tmp_path / "r.html")
    record = write_record(tmp_path / "bench-small.jsonl", ["tiny/count"])
    with pytest.raises(UsageError, match="choose another path"):
        write_report(record, None, record / "r.html")


def test_a_failed_write_leaves_the_old_report(
    registry: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = write_record(tmp_path / "bench-small.jsonl", ["tiny/count"])
    out = tmp_path / "site" / "r.html"
    before = write_report(record, None, out).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="No space left"):
        write_report(record, None, out)
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_importing_the_report_loads_no_plotting_library_and_no_torch() -> None:
    code = "import sys, mmai_gym.report; print({'torch', 'matplotlib', 'rdkit.Chem.Draw'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
