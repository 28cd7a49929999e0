"""``centralita recording``: check recordings, make sound files and films of them, and put their keys under a new one."""

import io
import time
from pathlib import Path
from typing import Annotated

import typer

from api.command_settings import ConfigFile, load

recording_app = typer.Typer(no_args_is_help=True, help="Recordings of calls.")

File = Annotated[Path, typer.Argument(help="A .rec file; its manifest lies beside it.")]


def _refused(error: Exception) -> typer.Exit:
    typer.echo(str(error), err=True)
    return typer.Exit(2)


@recording_app.command("check")
def check(
    file: File,
    entries: Annotated[int | None, typer.Option(help="How many entries the manifest had, as the call's record has it.")] = None,
    digest: Annotated[str | None, typer.Option(help="The hash of the last one, from there too.")] = None,
    config: ConfigFile = None,
) -> None:
    """Tell everything that is wrong with a recording and its manifest; status 1 when something is."""
    from api.privacy.wiring import open_vault
    from api.store import StoreUnavailable
    from media.recording.keys import KeyRing
    from media.recording.manifest import Checkpoint, faults
    from media.recording.records import read_recording

    checkpoint = Checkpoint(entries, digest) if entries is not None and digest is not None else None
    try:
        settings = load(config)
        ring = KeyRing(settings.recording_keys(), open_vault(settings).open)
        found = faults(file, ring.public_keys, checkpoint)
        recorded = read_recording(file, ring)
    except (OSError, ValueError, StoreUnavailable) as error:
        raise _refused(error) from None
    typer.echo(f"{recorded.length_s:.1f} s, {len(recorded.packets)} packets in {recorded.chunks} chunks, {recorded.ending}")
    for fault in [*found, *filter(None, [recorded.detail])]:
        typer.echo(fault)
    if found or recorded.detail:
        raise typer.Exit(1)


@recording_app.command("audit")
def audit(config: ConfigFile = None) -> None:
    """Check every recording that the database knows, each against the checkpoint that stands there; status 1 when something is wrong."""
    import asyncio

    from api.recording_shelf import RecordingShelf
    from api.store import StoreUnavailable
    from api.store_beside import store_beside

    settings = load(config)

    async def found() -> list[str]:
        async with store_beside(settings, node="audit") as store:
            return await RecordingShelf(store, settings.recordings_folder, settings.recording_keys()).faults()

    try:
        faults = asyncio.run(found())
    except (OSError, StoreUnavailable) as error:
        raise _refused(error) from None
    for fault in faults:
        typer.echo(fault)
    typer.echo(f"{len(faults)} faults." if faults else "Every recording is there and whole.")
    if faults:
        raise typer.Exit(1)


@recording_app.command("export")
def export(
    file: File,
    to: Annotated[Path, typer.Argument(help="NAME.wav, or NAME.opus without encoding anew.")],
    by: Annotated[str, typer.Option(help="Who wants it: stands in the manifest for good.")],
    side: Annotated[str | None, typer.Option(help="said or heard: this side of an .opus alone.")] = None,
    mix: Annotated[bool, typer.Option("--mix", help="Both sides in one channel; an .opus is encoded anew.")] = False,
    config: ConfigFile = None,
) -> None:
    """Make a sound file: left what the caller said, right what was heard."""
    from api.privacy.wiring import open_vault
    from api.store import StoreUnavailable
    from media.recording import manifest
    from media.recording.export import write_mixed_opus, write_mixed_wav, write_opus, write_side_opus, write_wav
    from media.recording.keys import KeyRing
    from media.recording.records import Side, read_recording

    if to.suffix not in (".wav", ".opus") or side not in (None, "said", "heard") or (side and (to.suffix == ".wav" or mix)):
        raise _refused(ValueError("give NAME.wav or NAME.opus; --side said or --side heard goes with .opus alone, and not with --mix"))
    try:
        settings = load(config)
        ring = KeyRing(settings.recording_keys(), open_vault(settings).open)
        recorded = read_recording(file, ring)
        sound, peaks = io.BytesIO(), dict[str, str | int | float]()
        if mix:
            peaks = write_mixed_wav(recorded, sound) if to.suffix == ".wav" else write_mixed_opus(recorded, sound)
        elif to.suffix == ".wav":
            peaks = write_wav(recorded, sound)
        elif side is None:
            write_opus(recorded, sound)
        else:
            write_side_opus(recorded, Side[side.upper()], sound)
        details: dict[str, str | int | float] = {"as": to.suffix[1:], "seconds": round(recorded.length_s, 1), **peaks}
        manifest.append(file, ring, "exported", at_unix_s=time.time(), who=(by,), details=details)
        to.write_bytes(sound.getvalue())
    except (OSError, ValueError, StoreUnavailable) as error:
        raise _refused(error) from None
    if recorded.detail:
        typer.echo(f"The recording ends early: {recorded.detail}.", err=True)


@recording_app.command("film")
def film(
    to: Annotated[Path, typer.Argument(help="NAME.webm, .mkv or .mp4: sound and pictures as they were sent.")],
    files: Annotated[list[Path], typer.Argument(help="The .rec files of a consultation, or some of them.")],
    by: Annotated[str, typer.Option(help="Who wants it: stands in the manifests for good.")],
    config: ConfigFile = None,
) -> None:
    """Make a film of a consultation: each participant's camera, screen and voice, and everybody's voices together."""
    from api.privacy.wiring import open_vault
    from api.store import StoreUnavailable
    from media.recording import manifest
    from media.recording.film import CONTAINERS, write_films
    from media.recording.keys import KeyRing
    from media.recording.records import read_recording

    if to.suffix[1:] not in CONTAINERS:
        raise _refused(ValueError("give NAME.webm (VP8), NAME.mp4 (H.264) or NAME.mkv (either)"))
    try:
        settings = load(config)
        ring = KeyRing(settings.recording_keys(), open_vault(settings).open)
        parts = [read_recording(file, ring) for file in files]
        body = io.BytesIO()
        details = write_films(parts, to.suffix[1:], body)
        for file, detail in zip(files, details, strict=True):
            manifest.append(file, ring, "exported", at_unix_s=time.time(), who=(by,), details={"as": to.suffix[1:], **detail})
        to.write_bytes(body.getvalue())
    except (OSError, ValueError, StoreUnavailable) as error:
        raise _refused(error) from None
    for file, part in zip(files, parts, strict=True):
        if part.detail:
            typer.echo(f"{file.name} ends early: {part.detail}.", err=True)


@recording_app.command("rewrap")
def rewrap_all(config: ConfigFile = None) -> None:
    """Put all recordings under the configured key, so that previous ones can be forgotten; manifests still need their public keys."""
    from api.store import StoreUnavailable
    from media.recording.file import rewrap
    from media.recording.keys import KeyRing
    from media.recording.retention import SUFFIX

    settings = load(config)
    try:
        ring = KeyRing(settings.recording_keys())
        paths = list(settings.recordings_folder.glob(f"*{SUFFIX}"))
        changed = sum(rewrap(path, ring) for path in paths)
    except (OSError, ValueError, StoreUnavailable) as error:
        raise _refused(error) from None
    typer.echo(f"{changed} of {len(paths)} recordings were put under the new key.")
