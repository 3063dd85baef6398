"""Takes the pictures of the guides with Chromium: from a finished run and its exported model, or from two chat models.

    python docs/images/take.py --run runs/tickets --text "My parcel has not arrived"
    python docs/images/take.py --chats saved_models --text "How do I reset my password?"

Needs the extra `dev`, and Debian's packages chromium and fonts-wqy-microhei, or another Chinese font. Look at each
picture before you commit it.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

HERE = Path(__file__).parent
FLAGS = ["--no-sandbox", "--disable-gpu"]  # also as root
WAIT = 300_000  # milliseconds, at most


@contextmanager
def served(models: Path) -> Iterator[str]:
    """Gives the address of a server of one exported model, or of a folder of them."""
    words = ["-m", "sftkeras.serve", "--models", str(models), "--port", "null", "--rest_api_port", "8501"]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield next(found[0] for line in server.stdout if (found := re.search(r"http://\S+:8501", line)))
        finally:
            server.terminate()


def take_report(browser: Browser, run: Path) -> None:
    """Takes the top of the report, and the part that shows where the time went."""
    page = browser.new_page(viewport={"width": 1100, "height": 1500})
    page.goto((run / "report.html").resolve().as_uri())
    page.screenshot(path=HERE / "report.png")
    page = browser.new_page(viewport={"width": 920, "height": 800}, device_scale_factor=1.6)
    page.goto((run / "report.html").resolve().as_uri())
    page.locator("section", has_text="Training time by part").screenshot(path=HERE / "report-time.png")


def take_server(browser: Browser, url: str, text: str) -> None:
    """Takes the server's page with a prediction."""
    page = browser.new_page(viewport={"width": 1100, "height": 830}, device_scale_factor=1.5)
    page.set_default_timeout(WAIT)
    page.goto(url)
    for _ in range(2):  # the time that is shown is not that of the first call
        page.get_by_label("Text", exact=True).fill(text)
        with page.expect_response(re.compile(":predict$")):
            page.keyboard.press("Enter")
        expect(page.locator("#latency")).to_contain_text(" ms", timeout=WAIT)
    page.screenshot(path=HERE / "serve.png")


def take_chat(browser: Browser, url: str, texts: list[str]) -> None:
    """Takes the page's chat: messages that two models answer, the last answers token by token."""
    page = browser.new_page(viewport={"width": 1240, "height": 1010}, device_scale_factor=1.5)
    page.set_default_timeout(WAIT)
    page.goto(url)
    page.get_by_label("Compare with").select_option(index=1)
    for text in texts:
        page.get_by_label("Token probabilities").set_checked(text == texts[-1])
        page.get_by_label("Message", exact=True).fill(text)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Retry")).to_be_visible(timeout=WAIT)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=HERE / "chat.png")


def main() -> None:
    """Takes the pictures of a run, or that of the chat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, help="the folder of a finished run")
    source.add_argument("--chats", type=Path, help="a folder of chat models: the first is compared with the second")
    parser.add_argument("--text", required=True, nargs="+", help="what is sent on the server's page")
    chosen = parser.parse_args()
    models = chosen.chats or Path(json.loads((chosen.run / "export.json").read_text("utf-8"))["path"]).parent
    with sync_playwright() as driver, served(models) as url:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        if chosen.chats:
            take_chat(browser, url, chosen.text)
        else:
            take_report(browser, chosen.run)
            take_server(browser, url, chosen.text[0])
        browser.close()


if __name__ == "__main__":
    main()
