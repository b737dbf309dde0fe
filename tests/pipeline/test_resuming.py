"""One bad picture among many, runs that end too early, shards, checkpoints, files in memory."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from mini_network import make_mini_layers, use_mini_network

import tf_style
from tf_style.pipeline import (
    decode_pictures,
    finished_names,
    read_pictures,
    read_tfrecords,
    stylized_on,
    stylizer,
    write_pngs,
    write_tfrecords,
)

pytestmark = pytest.mark.usefixtures("mini_network")

CONFIG = tf_style.StyleConfig(size=40).replace(scales="none", steps=2, optimizer="adam")
NAMES = [f"{letter}-a" for letter in "abcdef"]


@pytest.fixture
def files(picture_file):
    return [picture_file(f"{letter}.png", 40, 30 + index) for index, letter in enumerate("abcdef")]


@pytest.fixture
def one_bad(files):
    """Six files, of which the third is damaged."""
    files[2].write_bytes(files[2].read_bytes()[:500])
    return files


@pytest.fixture(scope="module")
def add_image():
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_mini_network(monkeypatch, make_mini_layers())
        yield stylizer(CONFIG, on_error="skip")


def element(name, value=0.0):
    return {"name": tf.constant(name), "image": tf.fill([1, 4, 4, 3], value)}


def interrupted(elements, after):
    """Yields some elements, and then fails."""
    yield from elements[:after]
    raise KeyboardInterrupt


def test_a_damaged_picture_is_skipped_and_named(one_bad, add_image, tmp_path):
    notes = []
    pictures = read_pictures(
        one_bad, one_bad[:1], config=CONFIG, on_error="skip", notify=notes.append
    )
    written = write_tfrecords(pictures.map(add_image), tmp_path / "records")
    rest = [name for name in NAMES if name != "c-a"]
    assert written.names == rest
    assert list(written.skipped) == ["c-a"]
    assert "`content` is damaged" in written.skipped["c-a"]
    assert [note for note in notes if "skipped" in note] == [
        f"c-a: skipped: {written.skipped['c-a']}."
    ]
    assert [each["name"].numpy().decode() for each in read_tfrecords(tmp_path / "records")] == rest
    by_png = write_pngs(pictures.map(add_image), tmp_path / "out")
    assert (by_png.names, by_png.skipped) == (rest, written.skipped)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{name}.png" for name in rest
    ]


def test_a_missing_file_is_skipped_too(files, tmp_path):
    files[1] = tmp_path / "none.png"
    pictures = read_pictures(files, files[:1], config=CONFIG, on_error="skip")
    failed = [each["name"].numpy() for each in pictures if each["error"] != b""]
    assert failed == [b"none-a"]


def test_what_cannot_be_stylized_is_skipped_and_named(files, add_image):
    notes = []
    pictures = list(read_pictures(files[:3], files[:1], config=CONFIG))
    tiny = {**pictures[1], "content": tf.zeros([1, 3, 3, 3])}
    elements = [pictures[0], tiny, {**pictures[2], "content": pictures[2]["content"] * np.nan}]
    tell = stylizer(CONFIG, on_error="skip", notify=notes.append)
    results = [tell(each) for each in elements]
    reasons = [each["error"].numpy().decode() for each in results]
    assert reasons[0] == "" and "at least" in reasons[1] and "not finite" in reasons[2]
    assert notes == [
        f"{name}: skipped: {why}." for name, why in zip(["b-a", "c-a"], reasons[1:], strict=True)
    ]
    assert results[1]["image"].shape == results[2]["image"].shape == (1, 0, 0, 3)
    strategy = tf.distribute.get_strategy()
    found = list(stylized_on(strategy, elements, CONFIG, on_error="skip", notify=notes.append))
    np.testing.assert_array_equal(found[0]["image"], results[0]["image"])
    assert [each["error"].numpy() == b"" for each in found] == [True, False, False]
    assert notes[-1] == f"c-a: skipped: {found[2]['error'].numpy().decode()}."
    for each in elements[1:]:
        with pytest.raises(tf.errors.InvalidArgumentError):
            list(stylized_on(strategy, [each], CONFIG))


def test_a_run_that_ended_goes_on_where_it_was(files, tmp_path):
    elements = [element(name, index / 8) for index, name in enumerate(NAMES)]
    path = tmp_path / "records"
    with pytest.raises(KeyboardInterrupt):
        write_tfrecords(interrupted(elements, 4), path)
    assert not path.exists()
    assert finished_names(path) == set(NAMES[:4])
    with pytest.raises(KeyboardInterrupt):  # Once more, right after it was resumed.
        write_tfrecords(interrupted(elements, 0), path, resume=True)
    assert finished_names(path) == set(NAMES[:4])
    waiting = read_pictures(files, files[:1], config=CONFIG, skip=finished_names(path))
    assert [each["name"].numpy().decode() for each in waiting] == NAMES[4:]
    written = write_tfrecords(elements[3:], path, resume=True)
    assert written.names == NAMES[4:]
    assert [each.name for each in tmp_path.iterdir() if "records" in each.name] == ["records"]
    for index, found in enumerate(read_tfrecords(path)):
        assert found["name"].numpy().decode() == NAMES[index]
        np.testing.assert_allclose(found["image"], index / 8, atol=0.5 / 255 + 1e-6)
    # What is complete is kept, and more is added.
    assert write_tfrecords([*elements, element("g")], path, resume=True).names == ["g"]
    assert finished_names(path) == {*NAMES, "g"}


def test_a_new_run_that_failed_is_not_mixed_with_the_old_one(tmp_path):
    path = tmp_path / "records"
    write_tfrecords([element(name, 0.0) for name in NAMES], path)
    new = [element(name, 1.0) for name in NAMES]
    with pytest.raises(KeyboardInterrupt):
        write_tfrecords(interrupted(new, 2), path)
    assert all(each["image"].numpy().max() == 0.0 for each in read_tfrecords(path))
    assert finished_names(path) == set(NAMES[:2])
    write_tfrecords(new, path, resume=True)
    found = [
        (each["name"].numpy().decode(), each["image"].numpy().min())
        for each in read_tfrecords(path)
    ]
    assert found == [(name, 1.0) for name in NAMES]


def test_shards_are_complete_or_not_there(tmp_path):
    elements, path = [element(name) for name in NAMES], tmp_path / "records"
    with pytest.raises(KeyboardInterrupt):
        write_tfrecords(interrupted(elements, 5), path, num_shards=3)
    assert not [each for each in tmp_path.iterdir() if "partial" not in each.name]
    written = write_tfrecords(elements, path, num_shards=3, resume=True)
    assert [each.name for each in written.paths] == [
        f"records-{index:05d}-of-00003" for index in range(3)
    ]
    assert written.names == NAMES[5:]
    assert sorted(tmp_path.iterdir()) == written.paths
    names = [each["name"].numpy().decode() for each in read_tfrecords(path)]
    assert sorted(names) == NAMES
    counts = [len(list(tf.data.TFRecordDataset(str(each)))) for each in written.paths]
    assert sum(counts) == 6 and max(counts) <= 3
    written.paths[1].unlink()
    with pytest.raises(ValueError, match="`path` must have all its shards.*-00001-of-00003"):
        read_tfrecords(path)
    write_tfrecords(elements, path, num_shards=3, resume=True)
    assert sorted(each["name"].numpy().decode() for each in read_tfrecords(path)) == NAMES


KILLED = """
import os, signal, sys
import tensorflow as tf
from tf_style.pipeline import write_tfrecords
def elements():
    for name in "abc":
        yield {"name": tf.constant(name), "image": tf.zeros([1, 4, 4, 3])}
    os.kill(os.getpid(), signal.SIGKILL)
write_tfrecords(elements(), sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_process_loses_no_record(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "records"], check=False)
    assert finished_names(tmp_path / "records") == set("abc")
    with (tmp_path / "records.partial-1").open("ab") as file:
        file.write(b"half a record")
    written = write_tfrecords([element("d")], tmp_path / "records", resume=True)
    assert written.names == ["d"] and len(list(read_tfrecords(tmp_path / "records"))) == 4


def test_the_iterators_are_restored(files, add_image, tmp_path):
    def pictures():
        read = read_pictures(files, files[:1], config=CONFIG, num_parallel_reads=2, on_error="skip")
        return read.map(add_image).prefetch(1)

    expected = [each["image"].numpy() for each in pictures()]
    iterator = iter(pictures())
    for _ in range(2):
        next(iterator)
    saved = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "place"))
    again = iter(pictures())
    tf.train.Checkpoint(iterator=again).read(saved)
    found = [each["image"].numpy() for each in again]
    assert len(found) == 4
    for image, other in zip(found, expected[2:], strict=True):
        np.testing.assert_array_equal(image, other)


def test_bytes_in_memory_give_what_the_files_give(one_bad):
    by_path = read_pictures(one_bad, one_bad[1:2], config=CONFIG, on_error="skip")
    style = one_bad[1].read_bytes()
    files = tf.data.Dataset.from_tensor_slices(
        {
            "name": [path.stem for path in one_bad],
            "content": [path.read_bytes() for path in one_bad],
        }
    )
    decoded = decode_pictures(
        files.map(lambda each: {**each, "style": style}), config=CONFIG, on_error="skip"
    )
    for found, expected in zip(decoded, by_path, strict=True):
        assert expected["name"].numpy().startswith(found["name"].numpy())
        for key in ("content", "alpha", "style"):
            np.testing.assert_array_equal(found[key], expected[key])
        assert (found["error"].numpy() == b"") == (expected["error"].numpy() == b"")


def test_a_text_is_no_collection_of_names(files):
    for text in ("a-a b-a", b"a-a"):
        with pytest.raises(TypeError, match=r"`skip` must be a collection.* Use `skip=\["):
            read_pictures(files, files[:1], skip=text)
    kept = read_pictures(files, files[:1], config=CONFIG, skip=iter(NAMES[1:]))
    assert [each["name"].numpy().decode() for each in kept] == NAMES[:1]


def test_parallel_reads_keep_the_order(files):
    alone, together = (
        [
            each["name"].numpy()
            for each in read_pictures(files, files[:1], config=CONFIG, num_parallel_reads=number)
        ]
        for number in (1, 4)
    )
    assert alone == together == [name.encode() for name in NAMES]
    with pytest.raises(ValueError, match="`num_parallel_reads` must be at least 1"):
        read_pictures(files, files[:1], num_parallel_reads=0)
    with pytest.raises(TypeError, match="`num_parallel_reads` must be of type int"):
        read_pictures(files, files[:1], num_parallel_reads=2.5)
    with pytest.raises(TypeError, match="`num_shards` must be of type int"):
        write_tfrecords([], files[0], num_shards="2")
    with pytest.raises(ValueError, match="`on_error` must be one of 'raise', 'skip'"):
        read_pictures(files, files[:1], on_error="ignore")


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 2), (None, 2), (2, None), (1, None)])
@pytest.mark.parametrize("end", [None, 4])
def test_another_number_of_shards_is_refused(before, after, end, resume, tmp_path):
    elements, path = [element(name) for name in NAMES], tmp_path / "records"
    if end is None:
        write_tfrecords(elements, path, num_shards=before)
    else:
        with pytest.raises(KeyboardInterrupt):
            write_tfrecords(interrupted(elements, end), path, num_shards=before)
    files = {each: each.read_bytes() for each in tmp_path.iterdir()}
    rule = f"^`num_shards` must be that of .*num_shards={after}, .*Use num_shards={before}, or"
    with pytest.raises(ValueError, match=rule):
        write_tfrecords(elements, path, num_shards=after, resume=resume)
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == files
    write_tfrecords(elements, path, num_shards=before, resume=True)
    assert sorted(each["name"].numpy().decode() for each in read_tfrecords(path)) == NAMES


@pytest.mark.parametrize("num_shards", [None, 2])
def test_a_name_that_comes_twice_is_refused_and_nothing_is_lost(num_shards, tmp_path):
    path, options = tmp_path / "records", {"num_shards": num_shards}
    twice = [element("a", 0.0), element("b"), element("a", 1.0), element("c")]
    rule = "^`name` must be another for each element. Received: name='a' twice. Append a number"
    for resume in (False, True):
        with pytest.raises(ValueError, match=rule):
            write_tfrecords(twice, path, resume=resume, **options)
        assert finished_names(path) == {"a", "b"}
    write_tfrecords([*twice[:2], element("a-2", 1.0), twice[3]], path, resume=True, **options)
    found = {each["name"].numpy(): each["image"].numpy().max() for each in read_tfrecords(path)}
    assert found == {b"a": 0.0, b"b": 0.0, b"a-2": 1.0, b"c": 0.0}
    with pytest.raises(ValueError, match=rule):
        write_pngs(twice, tmp_path / "out")
    assert finished_names(tmp_path / "out") == {"a", "b"}


def test_records_of_one_name_in_one_file_are_kept(tmp_path):
    path = tmp_path / "records"
    write_tfrecords([element("a"), element("b")], path)
    data = path.read_bytes()
    path.write_bytes(data + data)  # As other programs may write them.
    write_tfrecords([element("c")], path, resume=True)
    assert [each["name"].numpy() for each in read_tfrecords(path)] == [*2 * [b"a", b"b"], b"c"]


@pytest.mark.parametrize("name", [300 * "n", "of/a/folder", "", "..", "taken", "null\0byte"])
def test_a_name_that_no_file_can_have_is_skipped_or_told(name, tmp_path):
    (tmp_path / "taken.png").mkdir()
    (tmp_path / "...png").mkdir()
    elements = [element("a"), element(name), element("b")]
    with pytest.raises((ValueError, OSError), match="^`name` must .*Received: name=") as error:
        write_pngs(elements, tmp_path)
    assert "\n" not in str(error.value)
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["a.png"]
    written = write_pngs([{**each, "error": tf.constant("")} for each in elements], tmp_path)
    assert written.names == ["a", "b"]
    assert [path.name for path in written.paths] == ["a.png", "b.png"]
    assert list(written.skipped) == [name] and written.skipped[name].startswith("`name` must")
