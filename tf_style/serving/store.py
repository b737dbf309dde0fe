"""Finds, loads, switches and releases the served versions of a model.

Takes a folder and a function that loads a version; gives leases on loaded versions. A newer
version is loaded first. Then new requests go to it, and the old version is closed when its last
request has ended. A version that cannot be loaded is reported, and tried again when its files
change; until then the version before it stays in use.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tf_style.serving.signatures import Signature
from tf_style.serving.stop import Stop
from tf_style.serving.versions import Fingerprint, find_versions, fingerprint

_KEPT_STATUSES = 20


class Model(Protocol):
    """A loaded SavedModel."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """The signatures by name."""

    @property
    def definitions(self) -> Mapping[str, Any]:
        """The SignatureDefs by name."""

    @property
    def warm_up_requests(self) -> Sequence[tuple[str, Mapping[str, np.ndarray]]]:
        """Requests to run before the model is served: names of signatures, and their inputs."""

    def run(
        self,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        *,
        timeout_s: float,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the outputs by name."""

    def metadata(self) -> dict:
        """Returns the signatures in the form of TensorFlow Serving's metadata."""

    def close(self) -> None:
        """Frees the model's memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VersionStatus:
    """A version's status, in TensorFlow Serving's terms.

    Attributes:
        state: "LOADING", "AVAILABLE", "UNLOADING" or "END".
        error: why the version could not be loaded, or empty.
    """

    state: str
    error: str = ""


class Lease:
    """The right to use a loaded version, until `release`."""

    def __init__(self, served: "_Served") -> None:
        self._served = served
        self._held = True

    @property
    def version(self) -> int:
        """The version's number."""
        return self._served.version

    @property
    def model(self) -> Model:
        """The loaded model."""
        return self._served.model

    def release(self) -> None:
        """Ends the lease; a second call does nothing."""
        if self._held:
            self._held = False
            self._served.store._return_lease(self._served)

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclasses.dataclass(eq=False)
class _Served:
    store: "Store"
    version: int
    model: Model
    leases: int = 0
    retired: bool = False


class Store:
    """The served versions of the model in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        load: Callable[[Path], Model],
        num_versions: int = 1,
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Takes the settings; `start` loads the versions.

        Args:
            folder: has a folder for each version, or is a SavedModel itself.
            load: returns the model in a folder, ready to answer; any exception means that it
                cannot be loaded.
            num_versions: how many of the newest versions are served.
            notify: called with a sentence about each event.
        """
        self._folder = folder
        self._load = load
        self._num_versions = num_versions
        self._notify = notify
        self._lock = threading.Lock()
        self._served: dict[int, _Served] = {}
        self._statuses: dict[int, VersionStatus] = {}
        self._seen: dict[int, Fingerprint | None] = {}
        self._failed: dict[int, Fingerprint | None] = {}
        self._trouble = ""
        self.num_failures = 0

    def start(self) -> None:
        """Loads the versions in the folder.

        Raises:
            OSError: if the folder cannot be read.
            ValueError: if it has no version that can be loaded.
        """
        found = find_versions(self._folder)
        if not found:
            raise ValueError(
                "`model_dir` must hold a SavedModel, or folders 1, 2, ... that do. Received: "
                f"model_dir='{self._folder}'."
            )
        self._seen = {version: fingerprint(path) for version, path in found.items()}
        self.poll()
        if not self._served:
            errors = [status.error for _, status in self.statuses() if status.error]
            raise ValueError(
                "`model_dir` must hold a version that can be loaded. Received: "
                f"model_dir='{self._folder}': " + " ".join(errors or ["its files are incomplete."])
            )

    def poll(self) -> None:
        """Reads the folder once; loads new versions and releases old ones.

        A version is loaded when its files are complete and have not changed since the last poll.
        Only one thread may call this at a time.
        """
        try:
            found = find_versions(self._folder)
            self._trouble = ""
        except OSError as error:
            if not self._trouble:  # Reported once, not at every poll.
                self._notify(f"The model's folder cannot be read: {error}.")
            self._trouble = str(error)
            return
        seen = {version: fingerprint(path) for version, path in found.items()}
        before, self._seen = self._seen, seen
        self._failed = {
            version: state
            for version, state in self._failed.items()
            if version in seen and seen[version] == state
        }
        wanted: dict[int, _Served] = {}
        for version in sorted(found, reverse=True):
            if len(wanted) == self._num_versions:
                break
            at_rest = seen[version] is not None and seen[version] == before.get(version)
            served = self._served.get(version)
            if served is None and at_rest and version not in self._failed:
                served = self._try_to_load(version, found[version])
            if served is not None:
                wanted[version] = served
        if wanted:
            self._switch(wanted)

    def lease(self, version: int | None = None) -> Lease | None:
        """Returns a lease on a version, by default the newest, or None if it is not served."""
        with self._lock:
            if version is None:
                version = max(self._served, default=None)
            served = self._served.get(version) if version is not None else None
            if served is None:
                return None
            served.leases += 1
            return Lease(served)

    def statuses(self) -> list[tuple[int, VersionStatus]]:
        """Returns every version's status, the newest first."""
        with self._lock:
            return sorted(self._statuses.items(), reverse=True)

    @property
    def available(self) -> list[int]:
        """The versions that are served, the newest first."""
        return [v for v, status in self.statuses() if status.state == "AVAILABLE"]

    @property
    def newest(self) -> int | None:
        """The newest version that is served, or None."""
        return max(self.available, default=None)

    def close(self) -> None:
        """Releases everything that is served."""
        self._switch({})

    def _try_to_load(self, version: int, path: Path) -> _Served | None:
        self._set_status(version, "LOADING")
        try:
            model = self._load(path)
        except Exception as error:  # A broken file can raise anything.
            text = " ".join(str(error).split())[:500] or type(error).__name__
            self._failed[version] = self._seen[version]
            self.num_failures += 1
            self._set_status(version, "END", f"Version {version} cannot be loaded: {text}")
            current = max(self._served, default=None)
            self._notify(
                f"Version {version} cannot be loaded: {text}. "
                + (f"Version {current} stays in use." if current is not None else "")
            )
            return None
        self._notify(f"Version {version} is loaded.")
        return _Served(self, version, model)

    def _switch(self, wanted: dict[int, _Served]) -> None:
        """Replaces the served versions, at once for all new requests."""
        with self._lock:
            old = [served for served in self._served.values() if served.version not in wanted]
            self._served = dict(wanted)
            for served in old:
                served.retired = True
        for version in wanted:
            self._set_status(version, "AVAILABLE")
        for served in old:
            self._set_status(served.version, "UNLOADING")
            self._close_if_unused(served)

    def _return_lease(self, served: _Served) -> None:
        with self._lock:
            served.leases -= 1
        self._close_if_unused(served)

    def _close_if_unused(self, served: _Served) -> None:
        with self._lock:
            if not served.retired or served.leases:
                return
            served.retired = False  # Only this call closes it.
        with contextlib.suppress(Exception):  # It is no longer served.
            served.model.close()
        self._set_status(served.version, "END")
        self._notify(f"Version {served.version} is released.")

    def _set_status(self, version: int, state: str, error: str = "") -> None:
        with self._lock:
            if state == "END" and version in self._served:
                return  # Loaded again before the old copy's last request ended.
            self._statuses[version] = VersionStatus(state=state, error=error)
            for oldest in sorted(self._statuses)[:-_KEPT_STATUSES]:
                if oldest not in self._served:
                    del self._statuses[oldest]
