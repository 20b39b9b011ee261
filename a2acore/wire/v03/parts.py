"""What the parts of line 0.3 have no room for, kept in their metadata and taken out again.

Two things get lost on the way from the model to 0.3 and are found again on the way back: the media
type and the file name of a part that is no file (under private keys), and data that is no object
(wrapped into one, and marked as the official SDKs mark it).
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from a2acore.model import Metadata, Part

MEDIA_TYPE = "x-a2a-mediaType"
FILENAME = "x-a2a-filename"
WRAPPED = "data_part_compat"
"""The metadata that says: the data is not the object, but its member `value`."""


def keep(part: Part) -> Metadata | None:
    """The metadata of a part that is no file, with what else is to be kept.

    What the part itself has under a private key stays; then nothing is kept there.
    """
    kept = {
        key: value
        for key, value in ((MEDIA_TYPE, part.media_type), (FILENAME, part.filename))
        if value
    }
    wrapped = part.data is not UNSET and not isinstance(part.data, dict)
    if not kept and not wrapped:
        return part.metadata
    return kept | (part.metadata or {}) | ({WRAPPED: True} if wrapped else {})


def data(part: Part) -> dict[str, Any]:
    """The data of a part as an object."""
    return part.data if isinstance(part.data, dict) else {"value": part.data}


def text_part(text: str, metadata: Metadata | None) -> Part:
    """A text part as it was before `keep`."""
    return _restored(metadata, text=text)


def data_part(data: dict[str, Any], metadata: Metadata | None) -> Part:
    """A data part as it was before `keep` and `data`."""
    if metadata and metadata.get(WRAPPED) is True and data.keys() == {"value"}:
        metadata = {key: value for key, value in metadata.items() if key != WRAPPED} or None
        return _restored(metadata, data=data["value"])
    return _restored(metadata, data=data)


def _restored(metadata: Metadata | None, **content: Any) -> Part:
    if not metadata or metadata.keys().isdisjoint((MEDIA_TYPE, FILENAME)):
        return Part(metadata=metadata, **content)
    rest = dict(metadata)
    kept = {
        name: rest.pop(key)
        for name, key in (("media_type", MEDIA_TYPE), ("filename", FILENAME))
        if isinstance(rest.get(key), str)
    }
    return Part(metadata=rest or None, **kept, **content)
