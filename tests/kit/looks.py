"""What is wrong with how a page looks: axe's serious findings and what sticks out, by theme, language and width, without a reload."""

from collections.abc import Sequence

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

COLOURS = ("color-contrast", "link-in-text-block")
TIGHT = ("en-XA", "ar-XB")
"""Languages in which words are longer, or run the other way: nothing may stick out."""

_SETTLED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  for (const each of document.getAnimations()) if (each instanceof CSSTransition) each.finish();
  done();
})))"""

Look = tuple[str, str, int, Sequence[str]]
"""Theme, language, width in px, and the rules of axe that are asked about: none named is all."""
# Structure and words are the same in each theme, and colours in each language: what is looked for is what may differ.
LOOKS: tuple[Look, ...] = (
    ("light", "es", 320, ()),
    ("contrast", "es", 320, COLOURS),
    ("dark", "en", 1280, ()),
    ("light", "en", 1280, COLOURS),
)


async def speak(page: Page, language: str) -> None:
    """As the page's own choice does it; that names pseudo-locales to nobody."""
    icon = await page.get_attribute("link[rel=icon]", "href") or ""
    words = icon.replace("icon.svg", "kit/words.js")
    await page.evaluate("async ([words, language]) => (await import(words)).speak(language)", [words, language])
    await page.wait_for_selector(f"html[lang={language}]", state="attached")


async def drawn(page: Page) -> None:
    """The page has what it shows."""
    there = "document.querySelector('[data-ready=true], [data-view], .door') && !document.querySelector('html[data-asking], .kit-skeleton')"
    await page.wait_for_function(f"() => {there} && document.querySelector('#main').innerText.trim().length > 10")


async def settled(page: Page) -> None:
    """What was asked for is there, and colours are what they will be: a theme chosen just now is the page's two frames later, and buttons
    pass over to it softly."""
    await page.wait_for_selector("html:not([data-asking])")
    await page.evaluate(_SETTLED)


async def look(page: Page, where: str, looks: Sequence[Look] = LOOKS) -> list[str]:
    """What is wrong with what is shown now, a line each that begins with ``where``."""
    faults: list[str] = []
    for theme, language, width, rules in looks:
        await page.set_viewport_size({"width": width, "height": 720})
        await speak(page, language)
        await page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        await drawn(page)
        found = [*await _complaints(page, rules), *await _sticks_out(page)]
        faults += [f"{where}, {theme}, {language}, {width} px: {fault}" for fault in found]
    return faults


async def tight(page: Page, where: str) -> list[str]:
    """What sticks out where words are longer, or run from right to left."""
    faults: list[str] = []
    for language in TIGHT:
        await speak(page, language)
        await drawn(page)
        for width in (320, 1280):
            await page.set_viewport_size({"width": width, "height": 720})
            faults += [f"{where}, {language}, {width} px: {fault}" for fault in await _sticks_out(page)]
    return faults


async def _sticks_out(page: Page) -> list[str]:
    wide, screen = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return [f"{wide} px on a screen of {screen}"] if wide > screen else []


async def _complaints(page: Page, rules: Sequence[str]) -> list[str]:
    if await page.evaluate("!window.axe"):
        await page.evaluate(Axe().axe_script)
    options = {"resultTypes": ["violations"], "preload": False} | ({"runOnly": list(rules)} if rules else {})
    await page.evaluate("document.getAnimations().forEach((animation) => animation.cancel())")
    found = (await page.evaluate("(options) => axe.run(options)", options))["violations"]
    return [f"{each['id']} {[node['target'] for node in each['nodes']]}" for each in found if each["impact"] in ("serious", "critical")]
