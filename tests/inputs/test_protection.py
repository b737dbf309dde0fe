"""Faces that are protected: the search, with a stand-in for the library, and the map."""

import importlib.util
import sys
import types

import numpy as np
import pytest

import tf_style
from tf_style.cli import main
from tf_style.inputs import face_finder
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.face_finder import Box, find_faces
from tf_style.inputs.preparation import prepare_inputs
from tf_style.inputs.protection import FACE_GAIN, OUTER, face_map

FACES = tf_style.StyleConfig(size=0).replace(protect="faces")


class Library:
    """Stands in for mtcnn: `MTCNN().detect_faces(pixels)`."""

    def __init__(self, monkeypatch, *faces):
        self.seen = []
        found = [{"box": list(box), "confidence": np.float32(sure)} for box, sure in faces]

        def detect_faces(pixels):
            self.seen.append(pixels)
            return found

        module = types.ModuleType("mtcnn")
        module.MTCNN = lambda: types.SimpleNamespace(detect_faces=detect_faces)
        module.__spec__ = importlib.util.spec_from_loader("mtcnn", None)
        monkeypatch.setitem(sys.modules, "mtcnn", module)


def pictures(rng, size=(60, 80)):
    return [rng.integers(0, 256, (*each, 3), np.uint8) for each in (size, (40, 44))]


def test_the_finder_gives_confident_boxes_the_largest_first(monkeypatch, rng):
    boxes = ([1, 2, 10, 12], 0.99), ([30, 5, 20, 24], 0.91), ([5, 5, 9, 9], 0.89), ([3, 3, 0, 4], 1)
    library = Library(monkeypatch, *boxes)
    pixels = rng.integers(0, 256, (1, 40, 60, 3))
    found = find_faces((pixels / 255.0).astype(np.float32))
    assert found == (Box(30.0, 5.0, 20.0, 24.0), Box(1.0, 2.0, 10.0, 12.0))
    assert library.seen[0].dtype == np.uint8
    np.testing.assert_array_equal(library.seen[0], pixels[0])


def test_a_large_picture_is_searched_at_a_smaller_size(monkeypatch):
    library = Library(monkeypatch, ([100, 50, 30, 40], 1.0))
    found = find_faces(np.zeros([1, 1536, 2048, 3], np.float32))
    assert library.seen[0].shape == (768, face_finder.LONGEST, 3)
    assert found == (Box(200.0, 100.0, 60.0, 80.0),)


@pytest.mark.parametrize("size", [(2, 2), (40, 52)])
def test_the_library_itself_finds_no_face_where_there_is_none(size):
    assert find_faces(np.full([1, *size, 3], 0.5, np.float32)) == ()


def test_the_map_of_a_face_is_1_inside_its_ellipse_and_falls_to_0():
    box = Box(40.0, 30.0, 40.0, 60.0)
    found = face_map([box], (120, 120))
    rows, columns = np.mgrid[:120, :120] + 0.5
    distance = np.sqrt(((columns - 60.0) / 20.0) ** 2 + ((rows - 60.0) / 30.0) ** 2)
    assert (found[distance <= 1.0] == 1.0).all()
    assert (found[distance >= OUTER] == 0.0).all()
    between = (distance > 1.0) & (distance < OUTER)
    assert ((found[between] > 0.0) & (found[between] < 1.0)).all()
    order = np.argsort(distance[between])
    assert (np.diff(found[between][order]) <= 1e-6).all()
    half = np.abs(distance - (1.0 + OUTER) / 2.0) < 0.003
    np.testing.assert_allclose(found[half], 0.5, atol=0.01)


def test_the_maps_of_several_faces_join_by_the_larger_value():
    first, second = Box(5.0, 5.0, 30.0, 30.0), Box(20.0, 10.0, 40.0, 30.0)
    both = face_map([first, second], (50, 70))
    apart = [face_map([box], (50, 70)) for box in (first, second)]
    np.testing.assert_array_equal(both, np.maximum(*apart))
    beyond = face_map([Box(-20.0, -30.0, 30.0, 40.0)], (50, 70))  # A face at the border.
    assert beyond[0, 0] > 0.0
    assert not beyond[30:].any()


def test_the_content_counts_more_on_a_face_and_a_note_says_where(monkeypatch, rng):
    Library(monkeypatch, ([20, 10, 24, 30], 1.0), ([50, 10, 10, 12], 0.95))
    inputs = prepare_inputs(*pictures(rng), FACES)
    boxes = [Box(20.0, 10.0, 24.0, 30.0), Box(50.0, 10.0, 10.0, 12.0)]
    expected = 1.0 + (FACE_GAIN - 1.0) * face_map(boxes, (60, 80))
    np.testing.assert_allclose(inputs.content_map[0, ..., 0], expected, rtol=1e-6)
    assert inputs.notes == (
        "protect: 2 faces found, at (x, y, width, height) px of the result: (20, 10, 24, 30), "
        "(50, 10, 10, 12).",
    )


def test_boxes_are_those_of_the_photograph_at_the_results_size(monkeypatch, rng):
    library = Library(monkeypatch, ([20, 10, 24, 30], 1.0))
    inputs = prepare_inputs(*pictures(rng), FACES.replace(size=40))
    assert library.seen[0].shape == (60, 80, 3)
    expected = 1.0 + (FACE_GAIN - 1.0) * face_map([Box(10.0, 5.0, 12.0, 15.0)], (30, 40))
    np.testing.assert_allclose(inputs.content_map[0, ..., 0], expected, rtol=1e-6)
    assert inputs.notes[0].endswith("1 face found, at (x, y, width, height) px of the result: "
                                    "(10, 5, 12, 15).")  # fmt: skip


@pytest.mark.parametrize(("gain", "middle"), [(0.5, FACE_GAIN), (300.0, 300.0)])
def test_a_content_map_and_faces_join_by_the_larger_weight(monkeypatch, rng, gain, middle):
    Library(monkeypatch, ([20, 10, 24, 30], 1.0))
    white = np.full([60, 80, 1], 255, np.uint8)
    config = FACES.replace(content_map_gain=gain)
    inputs = prepare_inputs(*pictures(rng), config, ControlPictures(content_map=white))
    assert inputs.content_map[0, 25, 32, 0] == pytest.approx(middle)
    assert inputs.content_map[0, 58, 78, 0] == pytest.approx(gain)


def test_without_a_face_a_note_names_the_way_out(monkeypatch, rng):
    Library(monkeypatch)
    inputs = prepare_inputs(*pictures(rng), FACES)
    assert inputs.content_map is None
    (note,) = inputs.notes
    assert note == "protect: no face found. Mark what matters by `content_map`, or by `keep`."


def test_nothing_is_searched_without_the_option(monkeypatch, rng):
    library = Library(monkeypatch, ([20, 10, 24, 30], 1.0))
    inputs = prepare_inputs(*pictures(rng), FACES.replace(protect=""))
    assert (inputs.content_map, inputs.notes, library.seen) == (None, (), [])


def test_a_missing_library_is_an_error_that_names_the_pip_command(
    monkeypatch, rng, picture_file, tmp_path, capsys
):
    monkeypatch.setitem(sys.modules, "mtcnn", None)  # Makes `import mtcnn` fail.
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for call in (
        lambda: prepare_inputs("none.jpg", "none.jpg", FACES),  # Before anything is read.
        lambda: find_faces(np.zeros([1, 8, 8, 3], np.float32)),
    ):
        with pytest.raises(ImportError, match=r"`protect` needs the library mtcnn.*pip install"):
            call()
    names = [str(picture_file(f"{name}.png")) for name in ("content", "style")]
    assert main.main([*names, str(tmp_path / "out.png"), "--protect=faces"]) == 2
    printed = capsys.readouterr().err.strip()
    assert "pip install 'tf-style[faces]'" in printed
    assert len(printed.splitlines()) == 1


def test_other_things_cannot_be_protected():
    with pytest.raises(ValueError, match="`protect` must be one of '', 'faces'"):
        FACES.replace(protect="cats")
