"""A person with a real Chromium: one browser each, a microphone of their own, and a page that may write no error to its console."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import BrowserContext, ConsoleMessage, Page
from scipy.io import wavfile

from api.demo_call.browser import browser_context

RATE_HZ = 48_000


def tone_file(path: Path, frequency_hz: float, *, seconds: float = 10.0, level_dbfs: float = -12.0) -> Path:
    """A WAV with one sine: who hears whom is then a question for an FFT. Whole periods, so that it loops without a click."""
    periods = round(frequency_hz * seconds)
    time_s = np.arange(round(periods / frequency_hz * RATE_HZ)) / RATE_HZ
    wave = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * time_s)
    wavfile.write(path, RATE_HZ, np.rint(wave * 32_767).astype(np.int16))
    return path


def where_it_is_noon() -> str:
    """A time zone in which no midnight comes while a test runs."""
    ahead_h = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead_h:+d}"  # which counts westwards


async def seen_when(page: Page, selector: str, act: Coroutine[Any, Any, object]) -> None:
    """What is there for a moment only: looked for before ``act`` brings it about."""
    async with asyncio.TaskGroup() as group:
        group.create_task(page.wait_for_selector(selector))
        group.create_task(act)


async def open_menu(page: Page) -> None:
    """Has the pages, language, theme and the way out in sight, which are behind a button on narrow screens."""
    if await page.is_visible("[data-do=menu][aria-expanded=false]"):
        await page.click("[data-do=menu]")


class Person:
    """A page of their own browser. ``complaints``: what the page wrote to its console as errors, or threw."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    async def sign_in(self, url: str, user: str, password: str) -> None:
        """Signs in on the page and waits until the desk is connected."""
        await self.page.goto(url)
        await self.page.fill("#user", user)
        await self.page.fill("#password", password)
        await self.page.click("[data-do=sign-in]")
        await self.page.wait_for_selector("[data-ready=true]")


@asynccontextmanager
async def person(microphone: Path, *, expected: tuple[str, ...] = (), **options: Any) -> AsyncIterator[Person]:
    """``microphone``: an absolute path. ``expected``: parts of console errors that a test provokes. ``options``: Playwright's context.

    Raises AssertionError on leaving when the page complained of anything else.
    """
    async with browser_context(microphone, **options) as context:
        context.set_default_timeout(30_000)
        someone = Person(context, await context.new_page())
        yield someone
        unexpected = [text for text in someone.complaints if not any(part in text for part in expected)]
        assert not unexpected, f"the page wrote errors to its console: {unexpected}"
