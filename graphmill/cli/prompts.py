"""`graphmill prompts show|export|set|history|use|reset|tune`."""

from pathlib import Path
from typing import cast

from rich.table import Table

from graphmill.application.documents import collection_key
from graphmill.application.prompt_files import check_writable, read_prompts, write_prompts
from graphmill.application.prompts import Draft, PromptVersion, prompts_to_json
from graphmill.cli.console import cell, emit_json, say, show_table
from graphmill.cli.progress import model_words
from graphmill.cli.session import find_addresses, open_session, settings_for
from graphmill.errors import NotFound, Unavailable
from graphmill.model_settings import ExtractionSettings
from graphmill.models import CollectionKey
from graphmill.settings import Settings
from graphmill.standard.collection_prompts import OWN_PROMPTS, CollectionPrompts

# Digits of a version that people are shown: enough to tell one from all others, and to type.
_SHORT = 12


async def show_prompts(collection: str, tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings, temporal=False) as session:
        prompts = await session.app.prompts.show(key)
    if as_json:
        emit_json({"collection": key.name} | prompts_to_json(prompts))
        return 0
    own = dict(prompts.texts)
    table = Table("prompt", "version", "characters", box=None, header_style="bold")
    for name in OWN_PROMPTS:
        prompt = prompts.prompt(name)
        version = f"{prompt.version} (its own)" if name in own else prompt.version
        table.add_row(cell(name), cell(version), cell(len(prompt.text)))
    show_table(table)
    if prompts.extraction is None:
        say("extraction: as the workers are set ([extraction] of graphmill.toml)")
    else:
        _show_extraction(prompts.extraction)
    return 0


async def export_prompts(
    collection: str, folder: Path, version: str | None, tenant: str | None, *, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings, temporal=False) as session:
        stored = session.app.prompts
        prompts = await (stored.show(key) if version is None else stored.load(key, version))
    files = write_prompts(folder, prompts, settings.extraction)
    if as_json:
        emit_json({"collection": key.name, "version": prompts.version} | _written(folder, files))
    else:
        say(f"{len(files)} files written to {folder}; change them, then: {_set(key, folder)}")
    return 0


async def set_prompts(collection: str, folder: Path, tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    prompts = read_prompts(folder)
    async with open_session(settings, temporal=False) as session:
        changed = await session.app.prompts.set(key, prompts)
    if as_json:
        emit_json({"collection": key.name, "version": prompts.version, "changed": list(changed)})
    else:
        _say_changed(key, changed)
    return 0


async def prompts_history(collection: str, tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings, temporal=False) as session:
        history = await session.app.prompts.history(key)
    if as_json:
        emit_json({"collection": key.name, "versions": [_told(one) for one in history]})
        return 0
    table = Table("version", "stored", "changed", "", box=None, header_style="bold")
    for one in history:
        changed = "stored by another release" if one.changed is None else ", ".join(one.changed)
        stored = one.stored_at.astimezone().strftime("%Y-%m-%d %H:%M")
        state = "in force" if one.in_force else ""
        table.add_row(cell(one.version[:_SHORT]), cell(stored), cell(changed), cell(state))
    if history:
        show_table(table)
    if not any(one.in_force for one in history):
        say("in force are the prompts that are shipped")
    return 0


async def use_prompts(collection: str, version: str, tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings, temporal=False) as session:
        prompts, changed = await session.app.prompts.use(key, version)
    if as_json:
        emit_json({"collection": key.name, "version": prompts.version, "changed": list(changed)})
    else:
        _say_changed(key, changed)
    return 0


async def reset_prompts(collection: str, tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings, temporal=False) as session:
        await session.app.prompts.reset(key)
    if as_json:
        emit_json({"collection": key.name, "version": ""})
    else:
        say(
            f"{key.name!r} has no prompts of its own: from the next run on those hold that are"
            " shipped, and the workers' extraction settings"
        )
    return 0


async def tune_prompts(
    collection: str,
    folder: Path | None,
    sample: int,
    budget_usd: float | None,
    tenant: str | None,
    *,
    apply: bool,
    as_json: bool,
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    if folder is None and not apply:
        folder = Path(f"{key.name}-prompts")
    if folder is not None:
        check_writable(folder)  # before anything is paid for
    changed: tuple[str, ...] = ()
    async with open_session(settings) as session:
        say("asking the extraction model about a sample of the collection's text")
        draft = await session.app.prompts.tune(key, sample, budget_usd)
        files = () if folder is None else write_prompts(folder, draft.prompts, settings.extraction)
        if apply:
            changed = await session.app.prompts.set(key, draft.prompts)
    if as_json:
        emit_json(
            {
                "collection": key.name,
                "version": draft.prompts.version,
                "text_units": draft.text_units,
                "left_out": draft.left_out,
                "extraction": prompts_to_json(draft.prompts)["extraction"],
                "model": draft.use.to_json(),
                "applied": apply,
                "changed": list(changed),
            }
            | ({} if folder is None else _written(folder, files))
        )
        return 0
    _show_draft(draft)
    if folder is not None:
        say(f"written to {folder}")
    if apply:
        _say_changed(key, changed)
    elif folder is not None:
        say(f"nothing is in force yet: look at the files, change them, then: {_set(key, folder)}")
    return 0


async def prompts_if_known(settings: Settings, key: CollectionKey) -> CollectionPrompts:
    """Those in force; the ones shipped where nothing runs, or the collection is not there yet."""
    if find_addresses(settings, temporal=False) is None:
        return CollectionPrompts()
    try:
        async with open_session(settings, temporal=False) as session:
            return await session.app.prompts.show(key)
    except NotFound:
        return CollectionPrompts()
    except Unavailable as error:
        say(f"the collection's own prompts, if there are any, are not reckoned with: {error}")
        return CollectionPrompts()


def _told(one: PromptVersion) -> dict[str, object]:
    return {
        "version": one.version,
        "stored_at": one.stored_at.isoformat(),
        "changed": None if one.changed is None else list(one.changed),
        "in_force": one.in_force,
    }


def _show_draft(draft: Draft) -> None:
    units = f"{draft.text_units:,} text unit{'' if draft.text_units == 1 else 's'}"
    say(f"drafted from {units}; model: {model_words(draft.use)}")
    if draft.prompts.extraction is not None:
        _show_extraction(draft.prompts.extraction)
    if draft.left_out:
        say(f"left out: {draft.left_out:,} types that came twice, too late or under no usable name")


def _show_extraction(extraction: ExtractionSettings) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in extraction.model_dump().items():
        if isinstance(value, tuple):
            value = ", ".join(map(str, cast("tuple[object, ...]", value)))
        table.add_row(name.replace("_", " "), cell(str(value)))
    show_table(table)


def _say_changed(key: CollectionKey, changed: tuple[str, ...]) -> None:
    if not changed:
        say("nothing has changed: these prompts are in force already")
        return
    say(
        f"in force from the next run on, changed: {', '.join(changed)}. By method standard that run"
        " asks again what depends on them, and nothing else:"
        f" graphmill index PATH --collection {key.name} --wait"
    )


def _set(key: CollectionKey, folder: Path) -> str:
    return f"graphmill prompts set --collection {key.name} {folder}"


def _written(folder: Path, files: tuple[str, ...]) -> dict[str, object]:
    return {"output": str(folder), "files": list(files)}
