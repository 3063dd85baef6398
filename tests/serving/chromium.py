"""A real browser for the tests of the server's page. Importing this skips a module where there is no playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright (extra dev)")
Browser, Locator, Page = playwright.Browser, playwright.Locator, playwright.Page
Route, expect = playwright.Route, playwright.expect
WAIT = 180_000  # milliseconds, at most: a busy machine is slow
expect.set_options(timeout=WAIT)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, such as Debian's package chromium")

SECRET = "a secret of some length"  # a token

# Chromium as root, and without calls to its maker's hosts.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser) -> Iterator[Page]:
    """A page on which nothing may go wrong silently."""
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    problems: list[str] = []
    page.on("console", lambda it: problems.append(it.text) if it.type in ("error", "warning") else None)
    page.on("pageerror", lambda it: problems.append(str(it)))
    page.on("dialog", lambda it: problems.append(f"dialog: {it.message}"))
    yield page
    page.close()
    assert problems == []


@contextmanager
def signed_in(browser: Browser, url: str) -> Iterator[Page]:
    """A page of a server that has asked for a token and got `SECRET`, of which the page shows nothing."""
    page = browser.new_page()
    page.goto(url)
    page.get_by_label("This server asks for an access token").fill(SECRET)
    page.keyboard.press("Enter")
    yield page
    assert SECRET[:8] not in page.content()
    page.close()


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours such as rgb(1, 2, 3)."""

    def luminance(colour: str) -> float:
        parts = [int(it) / 255 for it in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
