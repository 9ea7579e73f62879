"""A model behind an endpoint, against a real server that answers wrongly, slowly, with errors, and half an answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chat_server import Behaviour, dawdles, fails, half, hangs_up, says, sends, serving
from mmai_gym import bench, tasks
from mmai_gym.contracts import Example, UsageError, Verdict
from mmai_gym.models import Asking, EndpointModel, load_model, record_path
from mmai_gym.models.chat_api import ChatApi, EndpointError, Pacer, Patience, PromptRefused

SECRET = "sk-very-secret-0123456789"
HASTY = Patience(seconds=5.0, attempts=4, pause=0.01, longest_pause=0.05)


class InProcess:
    """Workers would not know the tiny tasks."""

    def verify(self, items: Sequence[tuple[str, Example, str]]) -> list[Verdict]:
        return [tasks.get(name).verify(example, text) for name, example, text in items]


@pytest.fixture(autouse=True)
def own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def endpoint(url: str, **asking: Any) -> EndpointModel:
    return EndpointModel(f"openai:tiny@{url}", Asking(parallel=1, **asking), HASTY)


# --------------------------------------------------------------------------------------------------- asking


def test_a_question_is_asked_in_sentences_and_its_answer_is_verified(tiny: Any) -> None:
    examples = tiny["tiny/count"].examples("test")
    with serving(says("It is <answer>2</answer>")) as server:
        found = endpoint(server.url).predict(examples, 3, 0)
    assert [p.example_id for p in found] == [e.id for e in examples]
    assert [len(p.completions) for p in found] == [1] * len(examples)
    path, headers, body, _ = server.asked[0]
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("tiny", 0.0, 2048)
    assert body["messages"][-1]["content"].endswith("Give an integer, between <answer> and </answer>.")
    assert tiny["tiny/count"].verify(examples[-1], found[-1].completions[0].text).score == 1.0


def test_a_number_becomes_the_value_and_only_structures_are_drawn_again(tiny: Any) -> None:
    with serving(says("<answer>2.5</answer>")) as server:
        model = endpoint(server.url)
        assert model.predict(tiny["tiny/number"].examples("test")[:1], 4, 0)[0].value == 2.5
        assert len(server.asked) == 1
        assert len(model.predict(tiny["tiny/structure"].examples("test")[:1], 4, 0)[0].completions) == 4
    drawn = [body for _, _, body, _ in server.asked[1:]]
    assert [body["temperature"] for body in drawn] == [0.0, 0.7, 0.7, 0.7]
    seeds = [body["seed"] for body in drawn[1:]]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_neighbouring_seeds_draw_different_samples(tiny: Any) -> None:
    example = tiny["tiny/structure"].examples("test")[0]
    with serving(says("<answer>C</answer>")) as server:
        model = endpoint(server.url)
        seeds = [{r["seed"] for r in model._requests(example, 20, seed)[1:]} for seed in (0, 1)]
    assert not seeds[0] & seeds[1]


def test_worked_examples_stand_before_the_question_and_options_take_turns(tiny: Any) -> None:
    with serving(says("<answer>yes</answer>")) as server:
        endpoint(server.url, shots=4).predict(tiny["tiny/choice"].examples("test")[:1], 1, 0)
    turns = server.asked[0][2]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 4 + ["user"]
    answers = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    assert sorted(answers) == ["<answer>no</answer>"] * 2 + ["<answer>yes</answer>"] * 2
    assert len({turn["content"] for turn in turns if turn["role"] == "user"}) == 5


def test_a_question_is_not_shown_with_its_answer(tiny: Any) -> None:
    """Whoever benchmarks on the training split must not hand the answers over."""
    examples = tiny["tiny/count"].examples("train")
    with serving(says("<answer>2</answer>")) as server:
        endpoint(server.url, shots=7).predict(examples, 1, 0)
    for _, _, body, _ in server.asked:
        *before, asked = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
        assert len(before) == 7
        assert asked not in before


def test_more_examples_than_there_are_cannot_be_shown(tiny: Any) -> None:
    with pytest.raises(UsageError, match=r"tiny/count has no 9 training examples"):
        endpoint("http://127.0.0.1:9/v1", shots=9).predict(tiny["tiny/count"].examples("test")[:1], 1, 0)


# --------------------------------------------------------------------------------------------------- trouble


@pytest.mark.parametrize(
    "trouble",
    [
        fails(500),
        fails(503, Retry_After="0"),
        fails(429, Retry_After="soon"),
        half,
        hangs_up,
        sends(b"<html>gateway</html>"),
        sends(b""),
        sends(b'{"choices": []}'),
        sends(b"[1, 2]"),
        sends(b'{"error": {"message": "overloaded"}}'),
    ],
)
def test_after_trouble_the_same_question_is_asked_again(tiny: Any, trouble: Behaviour) -> None:
    with serving(trouble, trouble, says("<answer>1</answer>")) as server:
        found = endpoint(server.url).predict(tiny["tiny/count"].examples("test")[:1], 1, 0)
    assert found[0].completions[0].text == "<answer>1</answer>"
    assert len({json.dumps(body) for _, _, body, _ in server.asked}) == 1
    assert len(server.asked) == 3


def test_an_answer_that_trickles_in_is_given_up_after_its_time(tiny: Any) -> None:
    patience = Patience(seconds=0.5, attempts=5, pause=0.01)
    with serving(dawdles(60.0), says("<answer>7</answer>")) as server:
        model = EndpointModel(f"openai:tiny@{server.url}", Asking(), patience)
        found = model.predict(tiny["tiny/count"].examples("test")[:1], 1, 0)
    assert found[0].completions[0].text == "<answer>7</answer>"


def test_a_server_that_stays_down_is_named_with_what_it_said_last() -> None:
    with serving(fails(500), fails(502, "bad gateway")) as server, pytest.raises(EndpointError) as raised:
        ChatApi(server.url, None, patience=HASTY).complete({})
    assert server.url in str(raised.value)
    assert "in 4 attempts" in str(raised.value)
    assert "HTTP 502: bad gateway" in str(raised.value)
    assert len(server.asked) == 4


def test_nobody_listening_is_said_as_such() -> None:
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9/v1/chat.*[Rr]efused"):
        ChatApi("http://127.0.0.1:9/v1", None, patience=Patience(attempts=2, pause=0.01)).complete({})


@pytest.mark.parametrize(
    ("status", "advice"),
    [(400, "settings of the request"), (401, "OPENAI_API_KEY"), (404, "/v1"), (422, "settings of the request")],
)
def test_a_request_that_is_refused_is_not_repeated(status: int, advice: str) -> None:
    with serving(fails(status, "you cannot")) as server, pytest.raises(EndpointError, match=advice):
        ChatApi(server.url, None, patience=HASTY).complete({})
    assert len(server.asked) == 1


def test_a_prompt_that_is_too_long_for_the_server_is_no_answer_and_the_others_go_on(tiny: Any) -> None:
    refusal = fails(400, '{"error": {"code": "context_length_exceeded"}}')
    with serving(refusal, says("<answer>2</answer>")) as server:
        with pytest.raises(PromptRefused):
            ChatApi(server.url, None).complete({})
        server.behaviours.insert(0, refusal)
        found = endpoint(server.url).predict(tiny["tiny/count"].examples("test")[:2], 1, 0)
    assert [p.completions[0].text for p in found] == ["", "<answer>2</answer>"]


@pytest.mark.parametrize("text", [None, "", "no idea", "<think>2", "<answer>2", "\ud800<answer>2</answer>"])
def test_a_wrong_or_cut_answer_is_kept_as_it_is(tiny: Any, text: str | None) -> None:
    example = tiny["tiny/count"].examples("test")[-1]
    with serving(says(text)) as server:
        model = endpoint(server.url)
        (first,), (again,) = (model.predict([example], 1, 0)[0].completions for _ in range(2))
    assert len(server.asked) == 1
    assert first.text.encode("utf-8", "replace").decode() == again.text == (text or "").replace("\ud800", "?")
    tiny["tiny/count"].verify(example, first.text)


def test_requests_are_spaced_evenly_and_a_pause_is_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now, begun = 100.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("mmai_gym.models.chat_api.time.monotonic", lambda: now)
    monkeypatch.setattr("mmai_gym.models.chat_api.time.sleep", sleep)
    pacer = Pacer(per_minute=30)
    for pause in (0.0, 0.5, 7.0, 0.0):
        now += pause
        pacer.wait()
        begun.append(now)
    assert begun == [100.0, 102.0, 109.0, 111.0]


# --------------------------------------------------------------------------------------------------- the key


def test_the_key_is_sent_as_a_header_and_shows_up_nowhere_else(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    with serving(says("<answer>2</answer>"), fails(401, f"bad key {SECRET}")) as server:
        model = endpoint(server.url, price=(1.0, 2.0))
        suite = bench.Suite.model_validate(
            {
                "name": "mine",
                "family": [{"name": "tiny", "tasks": ["tiny/count"]}],
                "baselines": ["baseline:constant"],
            }
        )
        with pytest.raises(EndpointError) as raised:
            bench.run(model, suite, tmp_path / "record.jsonl", limit=2, verifier=InProcess())
    assert server.asked[0][1]["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in str(raised.value)
    assert "[key]" in str(raised.value)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"endpoint" in written
    assert SECRET.encode() not in written
    out, err = capfd.readouterr()
    assert SECRET not in out + err + caplog.text


def test_a_redirect_is_not_followed_and_the_key_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(says("<answer>stolen</answer>")) as thief:
        moved = fails(307, "", Location=f"{thief.url}/chat/completions")
        with serving(moved) as server, pytest.raises(EndpointError, match="a key is not sent on"):
            ChatApi(server.url, SECRET).complete({})
    assert thief.asked == []


def test_a_key_in_the_address_is_refused() -> None:
    for url in ("http://me:pass@host/v1", "https://host/v1?api_key=123"):
        with pytest.raises(UsageError, match="credential"):
            EndpointModel(f"openai:tiny@{url}")


# --------------------------------------------------------------------------------------------------- going on


def test_a_run_that_was_stopped_goes_on_without_asking_twice(tiny: Any, tmp_path: Path, capfd: Any) -> None:
    suite = bench.Suite.model_validate(
        {"name": "mine", "family": [{"name": "tiny", "tasks": ["tiny/count"]}], "baselines": ["baseline:constant"]}
    )
    record = tmp_path / "record.jsonl"
    with serving(*[says("<answer>2</answer>")] * 3, fails(400)) as server:
        with pytest.raises(EndpointError):
            bench.run(endpoint(server.url, price=(10.0, 100.0)), suite, record, verifier=InProcess())
        asked = len(server.asked)
        server.behaviours[:] = [says("<answer>2</answer>")]
        bench.run(endpoint(server.url, price=(10.0, 100.0)), suite, record, verifier=InProcess())
    examples = len(tiny["tiny/count"].examples("test"))
    assert (asked, len(server.asked)) == (4, 4 + examples - 3)
    header, *rows = [json.loads(line) for line in record.read_text().splitlines()]
    assert sum(row["model"].startswith("openai:tiny@") for row in rows) == examples
    shown = {
        key: header["prompts"][key]
        for key in ("endpoint", "greedy", "temperature", "top_p", "max_tokens", "shots")
    }
    assert shown == {
        "endpoint": server.url, "greedy": 0.0, "temperature": 0.7, "top_p": 0.95, "max_tokens": 2048, "shots": 0,
    }  # fmt: skip
    # 100 tokens read at 10 dollars a million and 10 written at 100, for each answer.
    assert f"{examples} answers so far, {100 * examples} tokens read" in capfd.readouterr().err


def test_several_requests_may_be_under_way_and_answers_keep_their_order(tiny: Any) -> None:
    examples = tiny["tiny/count"].examples("test")
    shown = {e.inputs["smiles"]: str(i) for i, e in enumerate(examples)}

    def echo(handler: Any, body: dict[str, Any]) -> None:
        smiles = body["messages"][-1]["content"].split("SMILES: ")[1].splitlines()[0]
        says(f"<answer>{shown[smiles]}</answer>")(handler, body)

    with serving(echo) as server:
        model = EndpointModel(f"openai:tiny@{server.url}", Asking(parallel=8), HASTY)
        found = model.predict(examples, 1, 0)
    assert [p.completions[0].text for p in found] == [f"<answer>{i}</answer>" for i in range(len(examples))]


# --------------------------------------------------------------------------------------------------- by name


def test_an_endpoint_is_found_by_its_name_and_has_a_place_for_its_records() -> None:
    spec = "openai:org/model:v1@http://127.0.0.1:8000/v1"
    model = load_model(spec, ["shots=3", "price=[0.5, 2]", "limit=max_completion_tokens", "greedy=null"])
    assert isinstance(model, EndpointModel)
    assert (model.name, model.model, model.url) == (spec, "org/model:v1", "http://127.0.0.1:8000/v1")
    assert (model.asking.shots, model.asking.price, model.asking.greedy) == (3, (0.5, 2.0), None)
    assert record_path(spec, "core") == Path("runs/openai-org-model-v1-http-127.0.0.1-8000-v1/bench-core.jsonl")


@pytest.mark.parametrize(
    ("spec", "ask", "fault"),
    [
        ("openai:model", [], "openai:NAME@URL"),
        ("openai:@http://host", [], "openai:NAME@URL"),
        ("openai:m@ftp://host", [], "openai:NAME@URL"),
        ("openai:m@http://host", ["temprature=1"], "temprature.*There are: shots"),
        ("openai:m@http://host", ["temperature=9"], "temperature: Input should be less than"),
        ("openai:m@http://host", ["shots"], "KEY=VALUE"),
        ("baseline:constant", ["shots=2"], "a baseline reads no examples"),
        ("baseline:constant", ["per_minute=2"], "per_minute: only endpoints"),
    ],
)
def test_a_malformed_name_or_setting_is_named(spec: str, ask: list[str], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        load_model(spec, ask)
