"""Finding, loading, switching and releasing versions, with fake models."""

import threading

import pytest

from tf_style.serving import versions
from tf_style.serving.store import Store


class Fake:
    signatures = {}

    def __init__(self, path):
        self.path = path
        if (path / "broken").exists():
            raise OSError("broken file")
        self.closed = False

    def close(self):
        self.closed = True


def write(folder, *, broken=False, shards=1):
    (folder / "variables").mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    for shard in range(shards):
        name = f"variables.data-{shard:05d}-of-{shards:05d}"
        (folder / "variables" / name).write_bytes(b"values")
    if broken:
        (folder / "broken").touch()
    return folder


@pytest.fixture
def store(tmp_path):
    said = []
    store = Store(tmp_path, load=Fake, notify=said.append)
    store.said = said
    return store


def newest(store):
    with store.lease() as lease:
        return lease.version


def states(store):
    return {version: status.state for version, status in store.statuses()}


def test_versions_are_folders_with_whole_numbers(tmp_path):
    for name in ("1", "002", "10", "3.partial", "x", "-4", "²", "9" * 30):
        write(tmp_path / name)
    (tmp_path / "5").write_text("no folder")
    found = versions.find_versions(tmp_path)
    assert {number: path.name for number, path in found.items()} == {1: "1", 2: "002", 10: "10"}


def test_a_saved_model_is_its_own_version_1(tmp_path):
    write(tmp_path)
    (tmp_path / "7").mkdir()
    assert versions.find_versions(tmp_path) == {1: tmp_path}


def test_a_folder_is_complete_when_every_file_of_a_saved_model_is_there(tmp_path):
    write(tmp_path, shards=2)
    assert len(versions.fingerprint(tmp_path)) == 4
    for name in (
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00001-of-00002",
    ):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        assert versions.fingerprint(tmp_path) is None, name
        (tmp_path / name).write_bytes(content)
    assert versions.fingerprint(tmp_path / "none") is None


def test_a_saved_model_without_variables_is_complete(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    assert versions.fingerprint(tmp_path) is not None


def test_a_fingerprint_changes_with_any_file(tmp_path):
    write(tmp_path)
    before = versions.fingerprint(tmp_path)
    assert versions.fingerprint(tmp_path) == before
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "config.json").write_text("{}")
    assert versions.fingerprint(tmp_path) != before


def test_the_newest_version_is_served(tmp_path, store):
    for name in ("1", "2", "10"):
        write(tmp_path / name)
    store.start()
    with store.lease() as lease:
        assert lease.version == 10
        assert lease.model.path == tmp_path / "10"
    assert store.lease(2) is None
    assert states(store) == {10: "AVAILABLE"}


def test_several_versions_may_be_served(tmp_path):
    for name in ("1", "2", "3"):
        write(tmp_path / name)
    store = Store(tmp_path, load=Fake, num_versions=2)
    store.start()
    assert states(store) == {3: "AVAILABLE", 2: "AVAILABLE"}
    assert newest(store) == 3
    assert store.lease(2) is not None
    assert store.lease(1) is None


@pytest.mark.parametrize(
    "prepare, words",
    [
        (lambda folder: None, "must hold a SavedModel, or folders 1, 2, ..."),
        (lambda folder: write(folder / "1", broken=True), "cannot be loaded: broken file"),
        (lambda folder: (folder / "1").mkdir(), "its files are incomplete"),
    ],
)
def test_a_start_needs_a_version_that_can_be_loaded(tmp_path, store, prepare, words):
    prepare(tmp_path)
    with pytest.raises(ValueError, match="`model_dir` must") as caught:
        store.start()
    assert words in str(caught.value)


def test_a_start_takes_the_newest_that_can_be_loaded(tmp_path, store):
    write(tmp_path / "1")
    write(tmp_path / "2", broken=True)
    store.start()
    assert states(store) == {2: "END", 1: "AVAILABLE"}
    assert store.statuses()[0][1].error == "Version 2 cannot be loaded: broken file"


def test_a_new_version_is_loaded_once_its_files_stop_changing(tmp_path, store):
    write(tmp_path / "1")
    store.start()
    write(tmp_path / "2")
    store.poll()  # Seen for the first time.
    assert newest(store) == 1
    (tmp_path / "2" / "more").write_text("the copying goes on")
    store.poll()
    assert newest(store) == 1
    store.poll()
    assert newest(store) == 2


def test_a_half_copied_version_is_not_loaded(tmp_path, store):
    write(tmp_path / "1")
    store.start()
    write(tmp_path / "2")
    (tmp_path / "2" / "variables" / "variables.index").unlink()
    for _ in range(3):
        store.poll()
    assert states(store) == {1: "AVAILABLE"}
    assert store.num_failures == 0
    write(tmp_path / "2")
    store.poll()
    store.poll()
    assert newest(store) == 2


def test_an_old_version_is_closed_when_its_last_request_has_ended(tmp_path, store):
    write(tmp_path / "1")
    store.start()
    first, second = store.lease(), store.lease()
    old = first.model
    write(tmp_path / "2")
    store.poll()
    store.poll()
    assert newest(store) == 2
    assert states(store) == {2: "AVAILABLE", 1: "UNLOADING"}
    first.release()
    first.release()  # The second call does nothing.
    assert not old.closed
    second.release()
    assert old.closed
    assert states(store) == {2: "AVAILABLE", 1: "END"}
    assert store.said == [
        "Version 1 is loaded.",
        "Version 2 is loaded.",
        "Version 1 is released.",
    ]


def test_a_new_version_is_loaded_before_the_old_one_goes(tmp_path):
    write(tmp_path / "1")
    seen = []

    def load(path):
        seen.append(store.lease())
        return Fake(path)

    store = Store(tmp_path, load=load)
    store.start()
    write(tmp_path / "2")
    store.poll()
    store.poll()
    assert seen[0] is None
    assert seen[1].version == 1


def test_a_broken_version_is_reported_once_and_tried_again_when_it_changes(tmp_path, store):
    write(tmp_path / "1")
    store.start()
    write(tmp_path / "2", broken=True)
    for _ in range(4):
        store.poll()
    assert store.num_failures == 1
    assert store.said[-1] == "Version 2 cannot be loaded: broken file. Version 1 stays in use."
    assert newest(store) == 1
    (tmp_path / "2" / "broken").unlink()
    store.poll()
    store.poll()
    assert newest(store) == 2
    assert states(store) == {2: "AVAILABLE", 1: "END"}


def test_a_removed_version_gives_way_to_the_one_before_it(tmp_path, store):
    write(tmp_path / "1")
    write(tmp_path / "2")
    store.start()
    (tmp_path / "2").rename(tmp_path / "2.off")
    store.poll()
    assert states(store) == {2: "END", 1: "AVAILABLE"}


def test_an_emptied_folder_changes_nothing(tmp_path, store):
    write(tmp_path / "1")
    store.start()
    (tmp_path / "1").rename(tmp_path / "off")
    store.poll()
    assert newest(store) == 1


def test_an_unreadable_folder_is_reported_once(tmp_path, store):
    write(tmp_path / "1")
    store.start()
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    store.poll()
    store.poll()
    assert len([text for text in store.said if "cannot be read" in text]) == 1
    assert newest(store) == 1
    tmp_path.with_name("elsewhere").rename(tmp_path)


def test_statuses_do_not_pile_up(tmp_path, store):
    write(tmp_path / "1")
    store.start()
    for version in range(2, 60):
        (tmp_path / str(version - 1)).rename(tmp_path / str(version))
        store.poll()
        store.poll()
    assert newest(store) == 59
    assert len(store.statuses()) == 20


def test_closing_releases_what_is_served(tmp_path, store):
    write(tmp_path / "1")
    store.start()
    lease = store.lease()
    store.close()
    assert store.lease() is None
    assert not lease.model.closed
    lease.release()
    assert lease.model.closed


def test_leases_and_switches_in_many_threads_close_each_model_once(tmp_path):
    closed = []

    class Counted(Fake):
        def close(self):
            closed.append(self.path.name)

    write(tmp_path / "1")
    store = Store(tmp_path, load=Counted)
    store.start()
    done = threading.Event()
    failures = []

    def use():
        while not done.is_set():
            with store.lease() as lease:
                if lease.model.path.name in closed:
                    failures.append(lease.version)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(2, 12):
        write(tmp_path / str(version))
        store.poll()
        store.poll()
    done.set()
    for thread in threads:
        thread.join()
    store.close()
    assert not failures
    assert sorted(closed, key=int) == [str(version) for version in range(1, 12)]
