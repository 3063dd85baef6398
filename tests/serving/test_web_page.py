"""The page at the root, in a real browser: by keyboard, on a phone, with hostile texts, while models change."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, Page, Route, contrast, expect, needs_chromium, signed_in
from half_plus_two import write_half_plus_two
from page_models import (
    write_answerer,
    write_classifier,
    write_masks,
    write_several_labels,
    write_similarity,
    write_tagger,
    write_unknown,
    write_vectors,
)
from rest_client import Running, serving

pytestmark = needs_chromium

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_classifier(folder / "movies" / "1", sure=0.6)
    write_classifier(folder / "movies" / "2")
    write_classifier(folder / "odd" / "1", ("<b>bad</b>", HOSTILE))
    write_similarity(folder / "pairs" / "1")
    write_several_labels(folder / "moods" / "1")
    write_tagger(folder / "tags" / "1")
    write_answerer(folder / "answers" / "1")
    write_vectors(folder / "vectors" / "1")
    write_masks(folder / "masks" / "1")
    write_unknown(folder / "unknown" / "1")
    write_half_plus_two(folder / "half_plus_two" / "1")
    return folder


@pytest.fixture(scope="module")
def rest(models: Path) -> Iterator[Running]:
    with serving(models) as it:
        yield it


def opened(page: Page, rest: Running, model: str = "movies", version: int | None = None) -> None:
    page.goto(f"{rest.url}/#/{model}/{version or 1}" if model != "movies" or version else rest.url)
    expect(page.locator("#name")).to_have_text(model)


def ask(page: Page, text: str) -> None:
    page.get_by_label("Text", exact=True).fill(text)
    page.keyboard.press("Enter")


def test_by_keyboard_alone_a_text_gets_its_bars(page: Page, rest: Running) -> None:
    page.goto(f"{rest.url}/#/movies/2")
    expect(page.get_by_label("Text", exact=True)).to_be_focused()
    page.keyboard.type("such a good film")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict")).to_have_text("good")
    assert page.locator(".bars li").all_inner_texts()[0].split("\n") == ["good", "90.0 %"]
    expect(page.locator(".bars li")).to_have_count(3)
    expect(page.locator("#latency")).to_contain_text(" ms")
    expect(page.get_by_label("Text", exact=True)).to_be_focused()
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("or bad?")
    expect(page.get_by_label("Text", exact=True)).to_have_value("such a good film\nor bad?")


def test_models_and_versions_are_listed_and_chosen_by_keyboard(page: Page, rest: Running) -> None:
    page.goto(rest.url)
    expect(page.locator("#summary")).to_have_text("10 models, 11 versions available")
    expect(page.locator("nav a[aria-current]")).to_have_count(1)
    link = page.get_by_role("link", name="version 1 available").nth(1)
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_have_text(link.evaluate("it => it.closest('ul').previousSibling.textContent"))
    expect(link).to_have_attribute("aria-current", "true")


def test_until_a_chosen_model_is_there_the_boxes_ask_the_one_that_is_shown(page: Page, rest: Running) -> None:
    opened(page, rest, "pairs")
    held: list[Route] = []
    page.route("**/page/models/movies/**", lambda it: held.append(it))
    with page.expect_request("**/page/models/movies/versions/2"):
        page.get_by_role("link", name="version 2 available").click()
    page.get_by_label("Second text").fill("two")
    ask(page, "twenty-two")
    expect(page.locator(".verdict")).to_have_text("7")
    expect(page.locator("#name")).to_have_text("pairs")
    held[0].continue_()
    expect(page.locator("#name")).to_have_text("movies")
    ask(page, "good")
    expect(page.locator(".verdict")).to_have_text("good")


def test_the_contract_and_the_card_are_shown(page: Page, rest: Running) -> None:
    opened(page, rest, "movies", 2)
    expect(page.locator("#about")).to_have_text("Version 2 · classification · 3 labels · reads up to 128 tokens")
    expect(page.get_by_label("Text", exact=True)).to_have_attribute("placeholder", "a good film")
    page.get_by_text("Model card").click()
    card = page.locator("#card article")
    expect(card.get_by_role("heading", name="How good it is")).to_be_visible()
    expect(card.get_by_role("cell", name="0.8750")).to_be_visible()
    expect(card.locator("code").first).to_be_visible()


def test_text_is_text_whatever_it_holds(page: Page, rest: Running) -> None:
    opened(page, rest, "odd")
    ask(page, HOSTILE)
    expect(page.locator(".verdict")).to_have_text(HOSTILE)
    expect(page.locator(".bars .label").nth(1)).to_have_text("<b>bad</b>")
    page.get_by_text("Model card").click()
    expect(page.locator("#card code", has_text=HOSTILE)).to_be_visible()
    assert page.locator("main img, main b").count() == 0


def test_pairs_have_two_boxes_and_a_number(page: Page, rest: Running) -> None:
    opened(page, rest, "pairs")
    page.get_by_label("Second text").fill("two")
    ask(page, "twenty-two")
    expect(page.locator(".verdict")).to_have_text("7")


def test_several_labels_may_hold_or_none(page: Page, rest: Running) -> None:
    opened(page, rest, "moods")
    ask(page, "sad and funny")
    expect(page.locator(".verdict")).to_have_text("funny, sad")
    expect(page.locator(".bars .chosen")).to_have_count(2)
    ask(page, "long")
    expect(page.locator(".verdict")).to_have_text("none of the labels")


def test_entities_are_marked_where_they_stand(page: Page, rest: Running) -> None:
    opened(page, rest, "tags")
    ask(page, "👩‍👩‍👧 a <b>line</b>, 🎬Heat is on")  # places count code points, not UTF-16 units
    marks = page.locator(".marked mark")
    expect(marks).to_have_text(["<b><i>tag</i>", "HeatFILM"])
    expect(marks.nth(0)).to_have_attribute("title", "<i>tag</i>, 75.0 %")
    assert page.locator(".marked").inner_text().startswith("👩‍👩‍👧 a <b>")
    assert page.locator(".marked b, .marked i").count() == 0
    ask(page, "nothing here")
    expect(page.locator(".verdict")).to_have_text("no entities")
    expect(page.locator(".marked")).to_have_text("nothing here")


def test_an_answer_is_marked_in_its_context(page: Page, rest: Running) -> None:
    opened(page, rest, "answers")
    page.get_by_label("Second text").fill("👩‍👩‍👧 a <b>line</b>, 🎬<i>Heat</i>")
    ask(page, "which?")
    expect(page.locator(".verdict")).to_have_text("<i>Heat</i>")
    expect(page.locator(".marked mark")).to_have_text("<i>Heat</i>")
    expect(page.locator(".marked")).to_have_text("👩‍👩‍👧 a <b>line</b>, 🎬<i>Heat</i>")
    page.get_by_label("Second text").fill("nothing here")
    ask(page, "which?")
    expect(page.locator(".verdict")).to_have_text("no answer")
    expect(page.locator(".marked")).to_have_count(0)


def test_a_vector_is_shown_shortly(page: Page, rest: Running) -> None:
    opened(page, rest, "vectors")
    ask(page, "abc")
    expect(page.locator(".verdict")).to_have_text("a vector of 10 numbers")
    expect(page.locator("#answer summary")).to_have_text("3.0000" + ", 9.0000" * 7 + ", …")
    page.locator("#answer summary").click()
    expect(page.locator("#answer pre")).to_have_text("[3,9,9,9,9,9,9,9,9,9]")


def test_masks_are_filled_and_hidden_words_told(page: Page, rest: Running) -> None:
    opened(page, rest, "masks")
    ask(page, "a [MASK]")
    expect(page.locator(".masks > li")).to_have_count(1)
    assert page.locator(".bars li").all_inner_texts()[0].split("\n") == ["<b>plot</b>", "75.0 %"]
    expect(page.locator(".verdict")).to_have_count(0)
    ask(page, "a film")
    expect(page.locator(".verdict")).to_have_text("perplexity 7.39")
    expect(page.locator(".masks > li > b")).to_have_text("film")
    expect(page.locator(".bars .chosen .label")).to_have_text("film")


def test_an_answer_of_an_unknown_kind_is_shown_as_json(page: Page, rest: Running) -> None:
    opened(page, rest, "unknown")
    ask(page, "héllo")
    expect(page.locator("#answer pre")).to_have_text('{\n  "echo": "héllo",\n  "nothing": "NaN"\n}')


def test_a_model_of_numbers_takes_json(page: Page, rest: Running) -> None:
    opened(page, rest, "half_plus_two")
    box = page.get_by_label("Request (JSON)")
    assert json.loads(box.input_value()) == {"instances": [0]}
    box.fill('{"instances": [1, 2]}')
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer pre")).to_have_text("[\n  2.5,\n  3\n]")
    box.fill("{")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#answer")).to_be_empty()


def test_a_refusal_is_told(browser: Browser, rest: Running) -> None:
    page = browser.new_page()
    page.clock.install()
    opened(page, rest, "half_plus_two")
    page.get_by_label("Request (JSON)").fill('{"instances": ["a"]}')
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_contain_text('JSON Value: "a" Type: String is not of expected type: float')
    page.clock.run_for(11_000)  # looks for new versions meanwhile, which does not take the message away
    expect(page.get_by_role("alert")).to_be_visible()
    page.close()


@pytest.mark.parametrize("version", [1, 2])
def test_the_calls_to_copy_work_as_they_stand(page: Page, rest: Running, version: int) -> None:
    opened(page, rest, "movies", version)
    page.get_by_label("Text", exact=True).fill('it\'s "good",\n\\ $HOME `très`')
    curl, python = (page.locator(f"#{name}").inner_text() for name in ("curl", "python"))
    assert ("/versions/1:predict" in curl) == (version == 1)
    assert shutil.which("curl"), "curl is needed"
    answers = [
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
        for command in (["bash", "-c", curl], [sys.executable, "-c", python])
    ]
    assert '"label": "good"' in answers[0]
    assert "'label': 'good'" in answers[1]


def test_copying_puts_the_call_on_the_clipboard(browser: Browser, rest: Running) -> None:
    with browser.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        opened(page, rest, "movies", 2)
        page.get_by_role("button", name="Copy the curl call").press("Enter")
        expect(page.locator("#copied")).to_have_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()") == page.locator("#curl").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_small_phone_in_light_and_dark(browser: Browser, rest: Running, scheme: str) -> None:
    with browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme) as context:
        page = context.new_page()
        opened(page, rest, "movies", 2)
        ask(page, "a" * 300 + " good")
        expect(page.locator(".verdict")).to_be_visible()
        page.get_by_text("Model card").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        ink, paper = (
            page.locator("main").evaluate(f"it => getComputedStyle(it).{name}") for name in ("color", "backgroundColor")
        )
        assert contrast(ink, paper) >= 7


def test_a_version_that_cannot_be_served_says_why(browser: Browser, tmp_path: Path, models: Path) -> None:
    shutil.copytree(models / "movies" / "1", tmp_path / "movies" / "1")
    shutil.copytree(models / "movies" / "2", tmp_path / "movies" / "2")
    (tmp_path / "movies" / "2" / "saved_model.pb").write_bytes(b"no model")
    with serving(tmp_path) as rest:
        page = browser.new_page()
        page.goto(f"{rest.url}/#/movies/2")
        expect(page.locator("#about")).to_contain_text("Version 2 · failed · ")
        expect(page.get_by_role("button", name="Predict")).to_be_hidden()
        page.get_by_role("link", name="version 1 available").click()
        ask(page, "good")
        expect(page.locator(".verdict")).to_have_text("good")
        page.close()


def test_every_control_has_a_name(page: Page, rest: Running) -> None:
    opened(page, rest, "pairs")
    ask(page, "one")
    expect(page.locator(".verdict")).to_be_visible()
    for role in ("textbox", "button", "link"):
        for control in page.get_by_role(role).all():
            assert control.evaluate("it => (it.labels?.[0] ?? it).textContent.trim()")


def test_a_version_that_appears_is_taken_and_the_text_stays(browser: Browser, tmp_path: Path, models: Path) -> None:
    shutil.copytree(models / "movies" / "1", tmp_path / "movies" / "1")
    with serving(tmp_path) as rest:
        page = browser.new_page()
        page.clock.install()
        page.goto(rest.url)
        page.get_by_label("Text", exact=True).fill("half a good sent")
        shutil.copytree(models / "movies" / "2", tmp_path / "draft")
        (tmp_path / "draft").rename(tmp_path / "movies" / "2")
        page.wait_for_timeout(1500)
        page.clock.run_for(5_500)
        expect(page.locator("#about")).to_contain_text("Version 2")
        expect(page.get_by_label("Text", exact=True)).to_have_value("half a good sent")
        expect(page.get_by_label("Text", exact=True)).to_be_focused()
        page.close()


def test_with_a_token_the_page_asks_for_it(browser: Browser, guarded: Running) -> None:
    with signed_in(browser, guarded.url) as page:
        page.get_by_role("link", name="version 2 available").click()
        expect(page.locator("#name")).to_have_text("movies")
        ask(page, "good")
        expect(page.locator(".verdict")).to_have_text("good")
        expect(page.locator("#curl")).to_contain_text("Bearer $TOKEN")


def test_the_pages_policy_lets_nothing_else_in(rest: Running) -> None:
    reply = rest.ask("GET", "/")
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert b"http://" not in reply.body
    assert b"https://" not in reply.body
