"""The rows of a hub dataset, one after the other as they come over the network, pictures as they were uploaded.

Read with the `datasets` library in streaming mode, so that parquet, folders of pictures and tar files all do, nothing
is downloaded that is not asked for, and no code of the dataset's runs (the library knows no scripts from 4.0 on).
`datasets` is an extra and is imported only when a stream is opened. Its parquet reader may abort a process that ends
while a stream is open: open streams in a process of their own. Not here: keeping the rows
(`finetune.data.hub_dataset`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

INSTALL = "install it with `pip install diffusion-4k-studio[hub]`"
READ_RETRIES = 4
"""Of the library, 5 s apart; its own 20 keep a dead line waiting for two minutes."""

_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """Which rows of which dataset."""

    hub_id: str
    """owner/name"""

    revision: str | None = None
    """Branch, tag or commit; None for the newest."""

    subset: str | None = None
    """What the hub calls a configuration; None where there is only one."""

    split: str | None = None
    """None: "train", or the only one."""

    def __post_init__(self) -> None:
        if not is_hub_id(self.hub_id):
            raise ValueError(
                f"a hub dataset reads owner/name or owner/name@revision, got {self.hub_id[:80]!r}; "
                "zhang0jhon/Aesthetic-4K is one"
            )
        for name, value in (("revision", self.revision), ("subset", self.subset), ("split", self.split)):
            if value is not None and (not value.strip() or not value.isprintable()):
                raise ValueError(f"the {name} of a hub dataset must be a word, got {value!r}; leave it out")

    @classmethod
    def parse(cls, text: str, *, subset: str | None = None, split: str | None = None) -> Self:
        """Read owner/name or owner/name@revision, also as the address of the dataset's page."""
        text = re.sub(r"^https?://[^/]+/datasets/", "", text.strip()).rstrip("/")
        hub_id, at, revision = text.partition("@")
        return cls(hub_id=hub_id, revision=revision if at else None, subset=subset, split=split)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset."""

    content: bytes | None
    """The picture's file as it was uploaded; None where the row has none."""

    name: str
    """Of the file in the dataset, for people; empty where it has none."""

    text: str | None
    state: Mapping[str, Any]
    """Where the stream stands after this row: JSON's types only. `Stream.rows` goes on from there."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A split of a dataset, before its first row."""

    source: HubSource
    """With the commit as revision and the split by its name: opening it again gives the same rows."""

    image_columns: tuple[str, ...]
    text_columns: tuple[str, ...]
    columns: tuple[str, ...]
    num_rows: int | None
    """None where the hub does not say."""

    num_bytes: int | None
    """Of every file in the dataset: at least what the pictures take."""

    rows: Callable[[str, str | None, Mapping[str, Any] | None], Iterator[Row]]
    """(image column, text column, state to go on from) -> rows"""


def is_hub_id(text: str) -> bool:
    """Whether `text` reads owner/name."""
    return _HUB_ID.fullmatch(text) is not None and ".." not in text and "--" not in text


def open_stream(source: HubSource) -> Stream:
    """Ask the hub what `source` is. The endpoint and the token are the library's (HF_ENDPOINT, HF_TOKEN, a login).

    Raises:
        ValueError: `datasets` is missing, no such subset or split, or files that the library cannot read.
        Exception: huggingface_hub's, where the hub refuses or cannot be reached.
    """
    datasets = _library()
    from huggingface_hub import HfApi

    api = HfApi(library_name="diffusion-4k-studio")
    info = api.dataset_info(source.hub_id, revision=source.revision, files_metadata=True, timeout=20)
    api.auth_check(source.hub_id, repo_type="dataset")
    siblings = () if info.siblings is None else info.siblings
    opened, split = load_split(source.hub_id, subset=source.subset, split=source.split, revision=info.sha)
    return stream_of(
        HubSource(hub_id=source.hub_id, revision=info.sha, subset=source.subset, split=split),
        opened,
        datasets=datasets,
        num_bytes=sum(one.size for one in siblings if one.size is not None),
    )


def load_split(
    path: str, *, subset: str | None = None, split: str | None = None, revision: str | None = None
) -> tuple[Any, str]:
    """(the streaming dataset, its split's name) of a hub id, or of a local folder."""
    datasets = _library()
    try:
        splits = datasets.load_dataset(path, subset, revision=revision, streaming=True)
    except (ValueError, datasets.exceptions.DataFilesNotFoundError) as error:  # an unknown subset among them
        raise ValueError(
            f"{path} cannot be read as a dataset of pictures ({_first_line(error)}); name another subset or dataset"
        ) from error
    except RuntimeError as error:
        if "script" not in str(error):
            raise
        raise ValueError(
            f"{path} consists of a script of its own, and no foreign code is run here; choose another dataset"
        ) from error
    names = list(splits)
    if split is None and (len(names) == 1 or "train" in names):
        split = "train" if "train" in names else names[0]
    if split is None or split not in names:
        came = "several splits and none called train" if split is None else f"no split {split!r}"
        raise ValueError(f"{path} has {came}; name one of {', '.join(names)}")
    return splits[split], split


def stream_of(source: HubSource, opened: Any, *, datasets: Any, num_bytes: int | None) -> Stream:
    """The stream of an opened `datasets.IterableDataset`."""
    if opened.features is None:
        opened = opened._resolve_features()  # tar files and JSON tell only with their first rows
    features = opened.features
    if features is None:
        raise ValueError(f"{source.hub_id} has no rows in its split {source.split}; choose another split")
    opened = opened.decode(
        False
    )  # first of all: the library decodes what comes from the hub ahead, in threads
    image_columns = tuple(n for n, kind in features.items() if isinstance(kind, datasets.Image))
    texts = ("string", "large_string")
    text_columns = tuple(n for n, kind in features.items() if getattr(kind, "dtype", None) in texts)

    def rows(image_column: str, text_column: str | None, state: Mapping[str, Any] | None) -> Iterator[Row]:
        columns = [image_column] if text_column is None else [image_column, text_column]
        read = opened.select_columns(columns)
        if state is not None:
            read.load_state_dict(dict(state))
        for row in read:
            picture = row[image_column]
            path = "" if picture is None or picture["path"] is None else str(picture["path"])
            text = None if text_column is None else row[text_column]
            yield Row(_content(picture), path.rpartition("/")[2], text, read.state_dict())

    splits = opened.info.splits
    counted = None if splits is None or source.split not in splits else splits[source.split].num_examples
    known = counted if isinstance(counted, int) and counted > 0 else None
    return Stream(source, image_columns, text_columns, tuple(features), known, num_bytes, rows)


def _content(picture: Mapping[str, Any] | None) -> bytes | None:
    """The file's bytes, which stand in the row or at its path."""
    if picture is None:
        return None
    if picture["bytes"] is not None:
        return bytes(picture["bytes"])
    if picture["path"] is None:
        return None
    import fsspec

    with fsspec.open(picture["path"], "rb") as file:
        content: bytes = file.read()
        return content


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ValueError(f"datasets of the hub are read with the library `datasets`; {INSTALL}") from error
    if int(datasets.__version__.partition(".")[0]) < 4:
        raise ValueError(f"`datasets` {datasets.__version__} is too old, 4.0 or later is needed; {INSTALL}")
    datasets.config.STREAMING_READ_MAX_RETRIES = READ_RETRIES
    return datasets


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")[:200]
