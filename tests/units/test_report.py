"""The report: one file, whole, honest about one seed."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from studies import ARMS, fake_run, small_recipe, small_study

from bothways.core.errors import ConfigError
from bothways.study.ledger import ArmLedger, Ledger
from bothways.study.plan import plan
from bothways.study.plots import signed
from bothways.study.report import write_report
from bothways.study.study import Study

BETTER, WORSE = {"hour": 0.7, "minute": 0.5, "weather": 0.95}, {"hour": 0.55, "minute": 0.35, "weather": 0.95}
VOID = {"meta", "img", "br"}


class Balanced(HTMLParser):
    """Notes every tag that is closed out of order, and what the page would load."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.loads += [tag] if tag in ("script", "link", "iframe", "object") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} at {self.getpos()}")


def runs_of(folder: Path, seeds: tuple[int, ...] = (0,), **more) -> dict[str, list[Path]]:
    right = {"understanding": WORSE, "drawing": WORSE, "unified": BETTER}
    return {arm: [fake_run(folder / f"{arm}-{seed}", right[arm], arm, seed, **more) for seed in seeds] for arm in ARMS}


def ledger() -> Ledger:
    vqa = {"samples": 35_200, "pairs": 35_200, "images": 35_200, "tokens": 3_000_000, "flops": 1.76e13}
    parts = {"backbone": {"forward": 0.5e13, "through": 0.5e13, "weights": 0.5e13}, "attention": {"frozen": 0.26e13}}
    encoding = {"pictures": 12_000, "flops": 2.7e12, "flops_without_cache": 8.1e12}
    arm = ArmLedger.parse(
        {
            "seconds": {"train": 120.0, "draw": 8.5},
            "parameters": 1_000_000,
            "steps": 400,
            **{name: vqa[name] for name in ("samples", "pairs", "images", "tokens")},
            "sources": {"watch/vqa": vqa},
            "parts": parts | {"optimizer": {"weights": 0.04e13}},
            "encoding": encoding,
            "decoding": {"pictures": 400, "flops": 1e11},
        }
    )
    return Ledger(shared={"render": 4.0, "encode": 11.0}, arms=dict.fromkeys(ARMS, arm), machine="2 cores")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> tuple[str, dict, Path]:
    folder = tmp_path_factory.mktemp("study")
    study = small_study()
    path = write_report(study, runs_of(folder, steps=(50, 100, 200)), folder, ledger(), plan(study, small_recipe()))
    return path.read_text(), json.loads((folder / "report.json").read_text()), folder


def test_the_page_is_one_file_that_loads_nothing(page):
    parser = Balanced()
    parser.feed(page[0])
    assert parser.loads and all(one.startswith("data:image/png;base64,") for one in parser.loads)
    assert not re.search(r"(https?:)?//[a-z]|url\(|@import", page[0])


def test_every_tag_is_closed_in_order(page):
    parser = Balanced()
    parser.feed(page[0])
    parser.close()
    assert parser.faults == [] and parser.open == []


def test_one_seed_is_undecided_in_both_directions_and_says_what_it_cannot_say(page):
    text, values, _ = page
    assert [one["label"] for one in values["verdicts"]] == ["undecided", "undecided"]
    assert values["verdicts"][0]["direction"] == "ahead"
    assert text.count("undecided at this budget") == 2
    assert "another draw of" in text and "pilot, 5 seeds" in text


def test_question_fixed_things_costs_and_declared_differences_are_told(page):
    text = page[0]
    for told in (
        "Does learning to draw help a model to read, and the reverse?",
        "the same initial weights",
        "data.sources.watch/vqa.samples_per_step",
        "seconds: encode",
        "11.0 once for all arms",
        "1.8 × 10¹³",
        "FLOPs: attention",
        "FLOPs: forward, frozen weights",
        "FLOPs of one sample of watch/vqa",
        "image-text pairs",
        "FLOPs: decoding pictures",
        "bothways quickstart",
    ):
        assert told in text, told


def test_the_numbers_of_the_page_are_those_of_the_json(page):
    text, values, _ = page
    for arm in ("understanding", "unified"):
        assert f"{values['scores'][arm]['reading/hour/accuracy']['value']:.3f}" in text
    difference = next(d for d in values["differences"]["reading"] if d["measure"] == "reading/hands/skill")
    assert text.count(signed(difference["value"])) >= 2
    assert values["ledger"]["flops"]["unified"] == pytest.approx(1.8e13)


def test_curves_run_over_the_checkpoints_and_end_at_the_final_exam(page):
    points = page[1]["curves"]["reading/hour/skill"]["unified"]
    assert [point[0] for point in points] == [50, 100, 200, 400]
    assert points[-1][1] == pytest.approx(page[1]["scores"]["unified"]["reading/hour/skill"]["value"])
    assert "nll/image_tokens/nats" in page[1]["curves"]


def test_gates_are_told_to_be_no_evidence_and_the_primary_level_comes_first(page):
    text = page[0]
    assert text.index("Primary level") < text.index("Gates: shown, never evidence")


def test_edits_stand_in_a_table_of_their_own_and_as_pictures_before_wanted_and_drawn(page, tmp_path):
    assert "<h2>Editing</h2>" not in page[0], "nobody was asked to edit"
    path = write_report(small_study(), runs_of(tmp_path, num=8, num_edits=6), tmp_path, ledger())
    text = path.read_text()
    scores = json.loads((tmp_path / "report.json").read_text())["scores"]["unified"]
    section = text[text.index("<h2>Editing</h2>") : text.index("<h2>Captions")]
    for told in ("all edits: done, all else kept", "all edits: battery kept", "weather: done, all else kept"):
        assert told in section
    assert f"{scores['editing/all/accuracy']['value']:.3f}" in section
    assert section.count("<q>make it ") == section.count("<q>set the battery to ") == 1, "one of each kind"
    # Before and wanted, then what two arms drew.
    assert section.count("<img") == 2 * 4 and section.count('alt="before"') == section.count('alt="wanted"') == 2
    assert "all 3 right" in section or "of 3 right" in section
    parser = Balanced()
    parser.feed(text)
    assert parser.faults == [] and parser.open == []
    assert "the scene that the request tells" in text


def test_enough_seeds_decide_and_the_interval_is_over_seeds(tmp_path):
    study = small_study(seeds=tuple(range(5)))
    path = write_report(study, runs_of(tmp_path, seeds=tuple(range(5)), num=30), tmp_path, ledger())
    values = json.loads((tmp_path / "report.json").read_text())
    assert values["verdicts"][0]["label"] == "supported"
    assert values["verdicts"][0]["difference"]["num_seeds"] == 5
    assert "cannot decide" not in path.read_text()


def test_a_dial_shows_what_both_arms_score_at_each_setting(tmp_path):
    at = {"labels-1024": 1024, "labels-0": 0}
    arms = [f"{role}-{number}" for number in at.values() for role in ("understanding", "unified")]
    comparisons = [
        {
            "name": name,
            "question": "Does drawing help?",
            "treatment": f"unified-{number}",
            "control": f"understanding-{number}",
            "primary": "reading/hands/skill",
        }
        for name, number in at.items()
    ]
    dial = {"name": "labels", "at": at, "doubles": True}
    values = small_study().to_dict() | {"arms": [{"name": name} for name in arms], "comparisons": comparisons, "dial": dial}
    study = Study.parse(values)
    right = {"understanding-0": {"hour": 0.1}, "unified-0": {"hour": 0.3}, "understanding-1024": WORSE, "unified-1024": BETTER}
    runs = {arm: [fake_run(tmp_path / arm, right[arm])] for arm in arms}
    costs = Ledger(shared={}, arms=dict.fromkeys(arms, ledger().arms["unified"]))
    text = write_report(study, runs, tmp_path, costs).read_text()
    scores = json.loads((tmp_path / "report.json").read_text())["scores"]
    section = text.partition("Along the dial")[2].partition("<h2>")[0]
    for arm in arms:
        role, number = arm.split("-")
        assert f"{role}, labels {int(number):,}: {scores[arm]['reading/hands/skill']['value']:.3f}" in section
    left, right_end = (float(x) for x in re.findall(r'points="([\d.]+),[\d.]+ ([\d.]+),', section)[0])
    assert left < right_end, "0 labels stand left of 1,024"
    unmeasured = [one | {"primary": "reading/nothing/skill"} for one in comparisons]
    text = write_report(Study.parse(values | {"comparisons": unmeasured}), runs, tmp_path, costs).read_text()
    assert "Along the dial" not in text, "no arm has that measure"
    assert "Along the dial" not in write_report(small_study(), runs_of(tmp_path / "b"), tmp_path / "b", ledger()).read_text()


def test_an_arm_without_runs_is_refused(tmp_path):
    runs = runs_of(tmp_path, num=5)
    with pytest.raises(ConfigError, match="`drawing` of study `both-ways` has no runs"):
        write_report(small_study(), runs | {"drawing": []}, tmp_path, ledger())
    with pytest.raises(ConfigError, match="Did you mean `drawing`"):
        write_report(small_study(), runs | {"drawin": []}, tmp_path, ledger())


def test_text_of_the_study_and_of_the_model_cannot_break_the_page(tmp_path):
    runs = runs_of(tmp_path, num=5)
    for arm in ("understanding", "unified"):
        answers = runs[arm][0] / "answers/final/answers.jsonl"
        lines = [json.loads(line) for line in answers.read_text().splitlines()]
        answers.write_text("".join(json.dumps(line | {"answer": "<script>x</script>"}) + "\n" for line in lines))
    text = write_report(small_study(title="a < b & c"), runs, tmp_path, ledger()).read_text()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "a &lt; b &amp; c" in text


def test_claims_over_several_comparisons_stand_above_them_with_their_rule(tmp_path):
    claims = [{"name": "both", "sentence": "Both skills gain.", "kind": "all", "over": ["reading", "drawing"]}]
    study = small_study(claims=claims, seeds=range(5))
    text = write_report(study, runs_of(tmp_path, seeds=tuple(range(5)), num=40), tmp_path, ledger()).read_text()
    [told] = json.loads((tmp_path / "report.json").read_text())["claims"]
    assert told["claim"] == "both" and {part["name"] for part in told["parts"]} == {"reading", "drawing"}
    assert 0 < text.index(told["sentence"]) < text.index(study.comparisons[0].question, text.index("cards"))
    assert "“All” asks for every part" in text and told["headline"] in text
    parser = Balanced()
    parser.feed(text)
    assert parser.faults == [] and parser.open == []
