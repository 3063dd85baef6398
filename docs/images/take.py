"""Takes the pictures of the guides from a finished run and its exported model, with Chromium.

    python docs/images/take.py --run runs/tickets --text "My parcel has not arrived"

Needs the extra `dev` and Debian's package chromium. Look at each picture before you commit it.
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
def served(model: Path) -> Iterator[str]:
    """Gives the address of a server of one exported model."""
    words = ["-m", "sftkeras.serve", "--models", str(model), "--port", "null", "--rest_api_port", "8501"]
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


def main() -> None:
    """Takes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the folder of a finished run")
    parser.add_argument("--text", required=True, help="what is predicted on the server's page")
    chosen = parser.parse_args()
    model = Path(json.loads((chosen.run / "export.json").read_text("utf-8"))["path"]).parent
    with sync_playwright() as driver, served(model) as url:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        take_report(browser, chosen.run)
        take_server(browser, url, chosen.text)
        browser.close()


if __name__ == "__main__":
    main()
