"""The chat on the server's page, in a real browser: by a tiny random decoder, and by streams that the test writes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Browser, Locator, Page, contrast, expect, needs_chromium, signed_in
from rest_client import Running, serving

pytestmark = needs_chromium

CHAT = "/v1/chat/completions"
ALSO_IN_CHINESE = {"Top", "Min", "Enter", "Shift", "Esc", "tiny"}
DONE = b"data: [DONE]\n\n"
HOSTILE = "<img src=x onerror=alert(1)>"
# Takes the place of the server's streams: `streams` are the requests, whose answers the test writes. Which have begun
# and which the page has left is on the root element: Chromium waits for no expression where the page's policy rules.
WRITTEN_STREAMS = """
  const real = fetch;
  window.streams = [];
  const tell = (what) => document.documentElement.setAttribute(`data-${what}`, "");
  window.fetch = (path, options) => {
    if (path !== "/v1/chat/completions") return real(path, options);
    const stream = { sent: JSON.parse(options.body) };
    const body = new ReadableStream({ start: (it) => (stream.output = it) });
    options.signal.addEventListener("abort", () => {
      stream.output.error(options.signal.reason);
      tell(`left-${place}`);
    });
    stream.send = (bytes) => stream.output.enqueue(bytes);
    const place = streams.push(stream) - 1;
    tell(`begun-${place}`);
    return Promise.resolve(new Response(body));
  };
"""


@pytest.fixture(scope="module")
def rest(tiny_generating_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    for version in ("1", "2"):
        shutil.copytree(tiny_generating_version, models / "tiny" / version)
    with serving(models) as it:
        yield it


def box(page: Page) -> Locator:
    return page.get_by_label("Message", exact=True)


def opened(page: Page, rest: Running) -> None:
    page.goto(f"{rest.url}/#/tiny/2")
    expect(box(page)).to_be_focused()


def asked(page: Page, key: str = "Enter") -> dict[str, Any]:
    """The request that a key sends."""
    with page.expect_request(f"**{CHAT}") as request:
        page.keyboard.press(key)
    return request.value.post_data_json


def answered(rest: Running, *contents: str, **options: Any) -> str:
    """What the server answers to a conversation, whose first message is the user's."""
    messages = [{"role": ("user", "assistant")[place % 2], "content": it} for place, it in enumerate(contents)]
    reply = rest.ask("POST", CHAT, {"model": "tiny", "messages": messages, **options})
    return reply.json["choices"][0]["message"]["content"]


def event(content: str = "", *tokens: tuple[bytes, float, dict[bytes, float]], **choice: Any) -> bytes:
    """An event of a stream; tokens are their bytes, their log-probability, and those of the likeliest."""

    def described(text: bytes, logprob: float) -> dict[str, Any]:
        return {"token": text.decode("utf-8", "replace"), "logprob": logprob, "bytes": list(text)}

    listed = [
        {**described(text, logprob), "top_logprobs": [described(*it) for it in top.items()]}
        for text, logprob, top in tokens
    ]
    logprobs = {"content": listed} if tokens else None
    choices = [{"index": 0, "delta": {"content": content}, "logprobs": logprobs, "finish_reason": None, **choice}]
    return f"data: {json.dumps({'choices': choices}, ensure_ascii=False)}\n\n".encode()


def sent(page: Page, stream: int) -> dict[str, Any]:
    """The request of a stream, once it has come."""
    expect(page.locator("html")).to_have_attribute(f"data-begun-{stream}", "")
    return page.evaluate(f"streams[{stream}].sent")


def contents(request: dict[str, Any]) -> list[str]:
    return [it["content"] for it in request["messages"]]


def write(page: Page, stream: int, *pieces: bytes) -> None:
    sent(page, stream)
    for piece in pieces:
        page.evaluate(f"(bytes) => streams[{stream}].send(new Uint8Array(bytes))", list(piece))


def test_a_conversation_is_held_by_keyboard_alone(page: Page, rest: Running) -> None:
    opened(page, rest)
    page.keyboard.type("how is")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("the film?")
    first = answered(rest, "how is\nthe film?")
    assert asked(page)["messages"] == [{"role": "user", "content": "how is\nthe film?"}]
    expect(page.locator(".answer .text")).to_have_text(first)
    expect(page.locator(".answer footer")).to_contain_text("8 tokens · ")
    expect(page.locator(".answer footer")).to_contain_text("cut off at the token limit")
    expect(box(page)).to_be_focused()

    page.keyboard.type("more")
    assert contents(asked(page)) == ["how is\nthe film?", first, "more"]
    expect(page.get_by_role("button", name="Retry")).to_have_count(1)
    page.get_by_role("button", name="Retry").focus()
    assert contents(asked(page)) == ["how is\nthe film?", first, "more"]
    expect(page.locator(".turn")).to_have_count(2)

    page.get_by_role("button", name="Edit").first.press("Enter")
    expect(page.get_by_label("Edit the message")).to_have_value("how is\nthe film?")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit").first.press("Enter")
    page.get_by_label("Edit the message").fill("a good film")
    assert contents(asked(page)) == ["a good film"]
    expect(page.locator(".answer .text")).to_have_text(answered(rest, "a good film"))
    page.get_by_role("button", name="New conversation").press("Enter")
    expect(page.locator(".turn")).to_have_count(0)


def test_enter_that_ends_a_composition_sends_nothing(page: Page, rest: Running) -> None:
    opened(page, rest)
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "这部电影", "selectionStart": 4, "selectionEnd": 4})
    keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", "key": "Enter", "windowsVirtualKeyCode": 13})
    expect(page.locator(".turn")).to_have_count(0)
    keyboard.send("Input.insertText", {"text": "这部电影怎么样？"})
    assert asked(page)["messages"] == [{"role": "user", "content": "这部电影怎么样？"}]
    expect(page.locator(".question .text")).to_have_text("这部电影怎么样？")


def test_settings_reach_the_model_and_a_wrong_one_is_shown(page: Page, rest: Running) -> None:
    opened(page, rest)
    page.get_by_text("System prompt and sampling").click()
    expect(page.get_by_label("Temperature")).to_have_attribute("placeholder", "0")
    page.get_by_label("System prompt", exact=True).fill("be kind")
    page.get_by_label("Temperature").fill("3")
    box(page).fill("the film")
    box(page).press("Enter")
    expect(page.get_by_label("Temperature")).to_be_focused()
    page.get_by_label("Temperature").fill("0.7")
    page.get_by_label("Top k").fill("40")
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Token limit").fill("4")
    page.get_by_label("Stop before").fill("</s>\n###")
    box(page).focus()
    request = asked(page)
    messages = request["messages"]
    assert messages[0] == {"role": "system", "content": "be kind"}
    options = {"temperature": 0.7, "top_k": 40, "seed": 7, "max_completion_tokens": 4, "stop": ["</s>", "###"]}
    assert request == {
        "model": "tiny",
        "messages": messages,
        **options,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    written = rest.ask("POST", CHAT, {**options, "model": "tiny", "messages": messages}).json
    text = written["choices"][0]["message"]["content"]
    expect(page.locator(".answer .text")).to_have_text(text)
    curl, python = (page.locator(f"#{name}").inner_text() for name in ("curl", "python"))
    assert shutil.which("curl"), "curl is needed"
    called = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True, timeout=600).stdout
    assert json.loads(called)["choices"] == written["choices"]
    said: list[str] = []
    exec(python, {"print": said.append})
    assert said == [text]


def test_pieces_are_shown_as_they_come_and_stay_when_it_is_stopped(page: Page, rest: Running) -> None:
    page.add_init_script(WRITTEN_STREAMS)
    opened(page, rest)
    page.keyboard.type("?")
    page.keyboard.press("Enter")
    whole = event("好，") + event(HOSTILE)
    write(page, 0, whole[:60], whole[60:61], whole[61:])  # wherever the network cuts
    expect(page.locator(".answer .text")).to_have_text(f"好，{HOSTILE}")
    expect(page.get_by_role("button", name="Send")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator(".answer footer")).to_contain_text("stopped")
    expect(page.locator("html")).to_have_attribute("data-left-0", "")
    page.keyboard.type("go on")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("html")).to_have_attribute("data-left-1", "")
    assert contents(sent(page, 1)) == ["?", f"好，{HOSTILE}", "go on"]

    page.get_by_role("button", name="Retry").click()
    write(page, 2, b'data: {"error": {"message": "The model is unloaded."}}\n\n')
    expect(page.locator(".failure")).to_have_text("The model is unloaded.")
    box(page).fill("now?")
    box(page).press("Enter")
    assert contents(sent(page, 3)) == ["?", f"好，{HOSTILE}", "now?"]


def test_tokens_show_what_else_was_likely(page: Page, rest: Running) -> None:
    page.add_init_script(WRITTEN_STREAMS)
    opened(page, rest)
    page.get_by_label("Token probabilities").check()
    box(page).fill("?")
    box(page).press("Enter")
    kind, rest_of_it = "好".encode()[:2], "好".encode()[2:]
    tokens = (
        (kind, -0.5, {kind: -0.5, b"no": -1.0}),
        (rest_of_it, 0.0, {rest_of_it: 0.0}),
        (b" <b>", -3.0, {b"!": -0.1}),
    )
    write(page, 0, event("好 <b>", *tokens), event(finish_reason="stop"), DONE)
    assert sent(page, 0)["top_logprobs"] == 5
    buttons = page.locator(".token")
    expect(buttons).to_have_text(["好", "<b>"])  # two tokens of one character are one
    buttons.first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".alternatives .bars")).to_have_count(2)
    expect(page.locator(".alternatives .label")).to_have_text(["E5 A5", "no", "BD"])
    page.keyboard.press("ArrowRight")
    expect(page.locator(".alternatives .label")).to_have_text(["!", "␣<b>"])
    expect(page.locator(".alternatives .chosen .share")).to_have_text("5.0 %")
    page.keyboard.press("Enter")
    expect(page.locator(".alternatives")).to_be_hidden()


def test_two_versions_answer_side_by_side(page: Page, rest: Running) -> None:
    page.add_init_script(WRITTEN_STREAMS)
    opened(page, rest)
    page.get_by_label("Compare with").select_option("tiny · version 1")
    box(page).fill("?")
    box(page).press("Enter")
    write(page, 1, event("after"), DONE)
    write(page, 0, event("before"), DONE)
    expect(page.locator(".answer h4")).to_have_text(["tiny · version 2", "tiny · version 1"])
    expect(page.locator(".answer .text")).to_have_text(["before", "after"])
    left, right = (page.locator(".answer").nth(place).bounding_box() for place in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    box(page).fill("and?")
    box(page).press("Enter")
    right = sent(page, 3)
    left = page.evaluate("streams[2].sent")
    # Each is told what it said itself.
    assert (left["model"], contents(left)) == ("tiny", ["?", "before", "and?"])
    assert (right["model"], contents(right)) == ("tiny/versions/1", ["?", "after", "and?"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_small_phone_in_light_and_dark(browser: Browser, rest: Running, scheme: str) -> None:
    with browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme, has_touch=True) as context:
        page = context.new_page()
        page.add_init_script(WRITTEN_STREAMS)
        opened(page, rest)
        page.get_by_text("System prompt and sampling").tap()
        page.get_by_label("Token probabilities").check()
        page.get_by_label("Compare with").select_option("tiny · version 1")
        box(page).fill("a" * 300)
        page.get_by_role("button", name="Send").tap()
        for stream in (0, 1):
            write(page, stream, event("b" * 300, (b"b" * 300, -0.1, {})), event("\n1\n2" * 20), DONE)
        expect(page.get_by_role("button", name="Retry")).to_be_visible()
        expect(page.get_by_role("button", name="Send")).to_be_in_viewport()
        expect(page.locator(".answer footer").last).to_be_in_viewport()
        page.locator(".token").first.tap()
        expect(page.locator(".alternatives").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        bubble = page.locator(".question .text").evaluate("it => getComputedStyle(it).color")
        paper = page.locator("#compose").evaluate("it => getComputedStyle(it).backgroundColor")
        assert contrast(bubble, paper) >= 7


def test_a_chinese_browser_has_it_in_chinese_and_may_switch(browser: Browser, rest: Running) -> None:
    with browser.new_context(locale="zh-CN") as context:
        page = context.new_page()
        page.goto(f"{rest.url}/#/tiny/2")
        expect(page.get_by_label("消息", exact=True)).to_be_focused()
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        expect(page).to_have_title("tiny – 模型服务器")
        expect(page.locator("#summary")).to_have_text("1 个模型，2 个版本可用")
        expect(page.locator("#about")).to_have_text("版本 2")
        page.get_by_label("对比模型").select_option("tiny · 版本 1")
        page.get_by_text("系统提示与采样").click()
        page.get_by_label("词元上限").fill("3")
        page.get_by_label("消息", exact=True).fill("这部电影怎么样？")
        page.keyboard.press("Enter")
        expect(page.get_by_role("article", name="tiny · 版本 2 的回答")).to_be_visible()
        expect(page.locator(".answer footer").first).to_contain_text("3 个词元 · ")
        expect(page.locator(".answer footer").first).to_contain_text("达到词元上限")
        expect(page.get_by_role("button", name="重试")).to_be_visible()
        expect(page.get_by_role("button", name="编辑")).to_be_visible()
        assert not set(re.findall("[A-Za-z]{3,}", page.locator("#chat").inner_text())) - ALSO_IN_CHINESE
        page.get_by_role("button", name="English").click()
        expect(page.get_by_label("Message", exact=True)).to_be_focused()
        page.reload()
        expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_with_a_token_it_chats_too(browser: Browser, rest: Running, guarded: Running) -> None:
    with signed_in(browser, guarded.url) as page:
        box(page).fill("the film")
        box(page).press("Enter")
        expect(page.locator(".answer .text")).to_have_text(answered(rest, "the film"))
        expect(page.locator("#python")).to_contain_text('api_key=os.environ["TOKEN"]')
