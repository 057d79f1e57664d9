"""Models from the hub: what a download would fetch, fetching it into the library's own cache, tokens, changes.

Built on huggingface_hub: its cache layout, its metadata, its tokens. The transfer is our own
(`studio.models.transfer`): the library starts a cut file from its first byte again. No torch. Not here: running
downloads in the background (`studio.models.downloads`), the catalogue (`studio.models.lookup`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, get_hf_file_metadata, get_token, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import repo_folder_name

from finetune.model_folder import INDEX, ModelFolder
from studio.home.disk import MIB, require_free, whole_file
from studio.models.hub_errors import YOUR_ACCOUNT, HubError, hub_sentence
from studio.models.hub_files import DownloadPlan, RemoteFile, is_needed
from studio.models.lookup import TOKEN_PLACE, check_index
from studio.models.transfer import OnBytes, Stopped, file_digest, partial_bytes, transfer

PUBLIC_HUB = "https://huggingface.co"

SPARE_MIB = 512
"""What a download leaves free on the disk."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9A-Za-z._-]{1,80}")


@dataclass(frozen=True, slots=True)
class Hub:
    """One hub, one account, one cache. Safe from any thread."""

    endpoint: str = PUBLIC_HUB
    cache: Path = Path(constants.HF_HUB_CACHE)
    token: str | None = None
    """None: the one of the environment or of `hf auth login`, if there is one."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Hub:
        """HF_ENDPOINT names another hub, such as a mirror; HF_HUB_CACHE and HF_HOME another cache."""
        endpoint = environ.get("HF_ENDPOINT", PUBLIC_HUB).rstrip("/")
        if not re.match(r"https?://[^/]", endpoint):
            raise ValueError(
                f"HF_ENDPOINT must be an http address, got {endpoint!r}; unset it for the public hub"
            )
        home = Path(environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
        cache = Path(environ["HF_HUB_CACHE"]).expanduser() if "HF_HUB_CACHE" in environ else home / "hub"
        return cls(endpoint=endpoint, cache=cache)

    def plan(self, hub_id: str) -> DownloadPlan:
        """Ask the hub what the pipeline `hub_id` consists of, and look what of it is here.

        Raises HubError where the hub refuses, ValueError for what is no SD3 or Flux pipeline folder.
        """
        plan = self._plan(hub_id, is_needed)
        names = [file.name for file in plan.files]
        if INDEX not in names or not any(name.startswith("transformer/") for name in names):
            raise ValueError(
                f"{hub_id} is no diffusers pipeline with a transformer (it has no model_index.json or no "
                "transformer folder), and the studio opens SD3 and Flux pipelines only; choose another"
            )
        return plan

    def plan_file(self, hub_id: str, name: str) -> DownloadPlan:
        """Of one file of a repository, such as a LoRA. Raises HubError where the hub refuses or has no such file."""
        plan = self._plan(hub_id, lambda listed: listed == name)
        if not plan.files:
            raise HubError(f"{hub_id} has no file {name} any more; look at {self.endpoint}/{hub_id}")
        return plan

    def check_disk(self, plan: DownloadPlan) -> None:
        """Raise ValueError if the cache's disk cannot take what is missing."""
        require_free(_made(self.cache), plan.missing_bytes / MIB + SPARE_MIB)

    def download(self, plan: DownloadPlan, *, on_bytes: OnBytes) -> Path:
        """Fetch what is missing; what was cut goes on where it stopped. Returns the folder of the snapshot.

        `on_bytes` is told how many of the plan's bytes are here, and answers False to stop: Stopped is raised
        within one chunk, and what has come stays for the next time.

        Raises:
            HubError: The hub refuses, or a file is not what its list said.
            ValueError: The disk is too small, or it is no pipeline that can run here: known before a weight is fetched.
        """
        self.check_disk(plan)
        folder = self._folder(plan.hub_id)
        snapshot = folder / "snapshots" / plan.commit
        done = 0
        for file in plan.files:
            with self._words(plan.hub_id):
                self._fetch(plan, file, _after(done, on_bytes))
            if file.name == INDEX:
                check_index(plan.hub_id, snapshot)
            done += file.size_bytes
            if not on_bytes(done):
                raise Stopped
        with whole_file(_made(folder / "refs") / "main") as part:
            part.write_text(plan.commit, encoding="utf-8")
        is_pipeline = any(file.name == INDEX for file in plan.files)
        if is_pipeline and (missing := ModelFolder.open(snapshot).missing()):
            raise ValueError(f"{plan.hub_id} lacks {', '.join(missing)} on the hub too; choose another model")
        return snapshot

    def whoami(self) -> str:
        """The account of the token. Raises HubError where there is none or the hub does not accept it."""
        if self._token() is None:
            raise HubError(f"no token was found; {TOKEN_PLACE}")
        with self._words(YOUR_ACCOUNT):
            return str(self._api().whoami()["name"])

    def check_access(self, hub_id: str) -> None:
        """Raise HubError, with the remedy, unless the files of `hub_id` may be read."""
        _check_id(hub_id)
        with self._words(hub_id):
            self._api().auth_check(hub_id)

    def cached_commit(self, hub_id: str) -> str | None:
        """The version that lies in the cache; None if none does."""
        ref = self._folder(hub_id) / "refs" / "main"
        try:
            commit = ref.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):  # none, or something else in its place
            return None
        return commit if _COMMIT.fullmatch(commit) else None

    def changed_files(self, hub_id: str) -> list[str]:
        """Files that are another on the hub than in the cache, sorted; empty if the hub has nothing newer."""
        commit = self.cached_commit(hub_id)
        if commit is None:
            raise ValueError(f"{hub_id} is not on this machine; `d4k models pull` downloads it")
        snapshot = self._folder(hub_id) / "snapshots" / commit
        plan = self.plan(hub_id)
        return sorted(
            file.name
            for file in plan.files
            if not (snapshot / file.name).is_file() or (snapshot / file.name).resolve().name != file.digest
        )

    def damaged_files(self, hub_id: str, *, on_bytes: OnBytes | None = None) -> list[str]:
        """Weight files whose content is not what they were downloaded as. Reads them whole."""
        commit = self.cached_commit(hub_id)
        if commit is None:
            raise ValueError(f"{hub_id} is not on this machine; `d4k models pull` downloads it")
        snapshot, damaged = self._folder(hub_id) / "snapshots" / commit, []
        for path in sorted(snapshot.rglob("*.safetensors")):
            wanted = path.resolve().name
            if len(wanted) == 64 and file_digest(path, on_bytes) != wanted:
                damaged.append(path.relative_to(snapshot).as_posix())
        return damaged

    def remove(self, hub_id: str) -> int:
        """Delete every version of a model from the cache; returns how many bytes that gave back."""
        _check_id(hub_id)
        folder = self._folder(hub_id)
        if not folder.is_dir():
            raise ValueError(f"{hub_id} is not in the cache {self.cache}; there is nothing to remove")
        freed = sum(
            path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
        )
        shutil.rmtree(folder)
        return freed

    def _plan(self, hub_id: str, is_wanted: Callable[[str], bool]) -> DownloadPlan:
        _check_id(hub_id)
        with self._words(hub_id):
            info = self._api().model_info(hub_id, files_metadata=True, timeout=20)
        if info.sha is None:
            raise HubError(f"the hub does not tell the version of {hub_id}; try again later")
        blobs = self._folder(hub_id) / "blobs"
        files = []
        for sibling in () if info.siblings is None else info.siblings:
            if not is_wanted(sibling.rfilename) or sibling.size is None:
                continue
            digest = sibling.blob_id if sibling.lfs is None else sibling.lfs.sha256
            if digest is None:
                continue
            size, blob = int(sibling.size), blobs / digest
            here = size if blob.is_file() and blob.stat().st_size == size else partial_bytes(blob, size)
            files.append(RemoteFile(sibling.rfilename, size, digest, here))
        # Trouble shows at the index and the small files, before anything large is fetched.
        files.sort(key=lambda file: (file.name != INDEX, file.size_bytes, file.name))
        return DownloadPlan(hub_id, info.sha, bool(info.gated), tuple(files))

    def _fetch(self, plan: DownloadPlan, file: RemoteFile, on_bytes: OnBytes) -> None:
        """One file into the cache; the library then gives it its place in the snapshot."""
        pointer = self._folder(plan.hub_id) / "snapshots" / plan.commit / file.name
        if pointer.is_file() and pointer.stat().st_size == file.size_bytes:
            return
        blob = self._folder(plan.hub_id) / "blobs" / file.digest
        if not blob.is_file():
            url = hf_hub_url(plan.hub_id, file.name, revision=plan.commit, endpoint=self.endpoint)
            found = get_hf_file_metadata(url, token=self._sent_token(), endpoint=self.endpoint, timeout=20)
            if found.etag != file.digest or found.size not in (None, file.size_bytes):
                raise HubError(
                    f"{file.name} of {plan.hub_id} has changed on the hub since its list was read; start the "
                    "download again"
                )
            # Not the address that the hub forwards to: that one is signed for an hour or so, and a token must
            # not go there. The client leaves the token out when it is sent on to another host.
            transfer(url, blob, size_bytes=file.size_bytes, token=self._token(), on_bytes=on_bytes)
        hf_hub_download(
            plan.hub_id,
            file.name,
            revision=plan.commit,
            cache_dir=self.cache,
            endpoint=self.endpoint,
            token=self._sent_token(),
            library_name="diffusion-4k-studio",
        )

    def _api(self) -> HfApi:
        return HfApi(endpoint=self.endpoint, token=self._sent_token(), library_name="diffusion-4k-studio")

    def _token(self) -> str | None:
        return get_token() if self.token is None else self.token

    def _sent_token(self) -> str | bool:
        token = self._token()
        return False if token is None else token

    def _folder(self, hub_id: str) -> Path:
        return self.cache / repo_folder_name(repo_id=hub_id, repo_type="model")

    @contextmanager
    def _words(self, hub_id: str) -> Iterator[None]:
        try:
            yield
        except (HubError, Stopped):
            raise
        except Exception as error:
            has_token = self._token() is not None
            sentence = hub_sentence(error, hub_id, endpoint=self.endpoint, has_token=has_token)
            if sentence is None:
                raise
            raise HubError(sentence) from error


def _check_id(hub_id: str) -> None:
    if (
        not _HUB_ID.fullmatch(hub_id)
        or any(part in (".", "..") for part in hub_id.split("/"))
        or ".." in hub_id
    ):
        raise ValueError(f"a hub id reads owner/name, got {hub_id[:80]!r}")


def _after(done_bytes: int, on_bytes: OnBytes) -> OnBytes:
    """Of one file, told as of the whole plan."""
    return lambda here_bytes: on_bytes(done_bytes + here_bytes)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
