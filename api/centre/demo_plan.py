"""A small plan to try things with: two languages, a menu, a queue, a call-back and a box of voicemail."""

from importlib.resources import as_file, files

from api.centre.plan_folder import read_folder


def demo_documents() -> dict[str, str]:
    with as_file(files("api.centre") / "demo") as folder:
        return read_folder(folder)
