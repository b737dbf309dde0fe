"""The modules in tools/looks: contact sheets, timings and the choice of sheets."""

import numpy as np
import pytest
from PIL import Image
from places import TOOLS


@pytest.fixture(autouse=True)
def folder_is_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS / "looks"))


def test_a_contact_sheet_holds_every_picture_above_its_caption():
    from contact_sheet import contact_sheet

    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    pictures = [
        (f"style loss {i}", Image.new("RGB", (40, 30), color)) for i, color in enumerate(colors)
    ]
    page = contact_sheet(pictures, columns=2)
    assert page.size == (2 * 48 + 8, 2 * 60 + 8)
    assert [page.getpixel(place) for place in ((20, 20), (70, 20), (20, 80))] == colors
    below = np.asarray(page.crop((8, 38, 48, 60)))
    assert below.min() < 128 < below.max()  # Letters on white.
    between = np.asarray(page.crop((48, 0, 56, page.height)))
    assert between.min() == 255  # No caption is wider than its picture.


def test_functions_are_timed_in_turn():
    from compare_style_losses import seconds_each

    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in ("gram", "sliced")}
    found = seconds_each(functions, repeats=2)
    assert calls == ["gram", "sliced"] * 2
    assert list(found) == ["gram", "sliced"] and min(found.values()) >= 0.0


def test_a_page_without_captions_leaves_no_room_for_them():
    from contact_sheet import contact_sheet

    pictures = [("", Image.new("RGB", (40, 30))) for _ in range(3)]
    assert contact_sheet(pictures, columns=2).size == (2 * 48 + 8, 2 * 38 + 8)


def sheets(tmp_path, *arguments):
    import make_sheets

    options, flags = make_sheets.parse([*map(str, arguments), "--", "--steps=1"])
    assert flags == ["--steps=1"]
    return make_sheets.sheets(options, tmp_path)


def test_the_gallery_has_a_picture_for_each_style(tmp_path):
    found = sheets(tmp_path, "--sheet=gallery", f"--output={tmp_path}/a.jpg", "photo", "a", "b")
    assert [case.flags for case in found["gallery"]] == [{"style": "a"}, {"style": "b"}]


def test_the_sheets_of_a_group_have_flags_that_tf_style_accepts(tmp_path):
    from tf_style.cli.stylize_command import make_flags

    Image.new("L", (4, 3), 255).save(tmp_path / "sky.png")
    sky = [f"--{name}_sky={tmp_path / 'sky.png'}" for name in ("content", "style")]
    output = f"--output={tmp_path}/{{sheet}}.jpg"
    control = sheets(tmp_path, "--sheet=control", output, *sky, "photo", "a", "b", "photo2")
    paper = sheets(tmp_path, "--sheet=paper", output, "photo", "a")
    assert [*control, *paper] == [
        *("styles", "regions", "content", "automatic", "photographs", "scale"),
        *("figure_4", "figure_5", "figure_6"),
    ]
    assert [len(cases) for cases in (control | paper).values()] == [4, 4, 4, 4, 4, 4, 4, 2, 6]
    for cases in (control | paper).values():
        for case in cases:
            make_flags()(["tf_style", *(f"--{key}={value}" for key, value in case.flags.items())])
    assert np.asarray(Image.open(tmp_path / "ground.png")).max() == 0


def test_a_wrong_number_of_pictures_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        sheets(tmp_path, "--sheet=paper", "--output={sheet}.png", "photo", "a", "b")
    assert "the paper's figures take CONTENT STYLE" in capsys.readouterr().err


def test_a_reader_sees_both_pictures_of_a_pair_and_only_the_key_tells_them(tmp_path, monkeypatch):
    import blind_pairs

    colors = {"painting": (90, 90, 90), "ours": (200, 0, 0), "theirs": (0, 0, 200)}
    for number, (name, color) in enumerate(colors.items(), start=1):
        Image.new("RGB", (40 * number, 30 * number), color).save(tmp_path / f"{name}.png")
    pair = ["--pair", *(str(tmp_path / f"{name}.png") for name in colors)]
    pages = tmp_path / "pages"
    monkeypatch.setattr("sys.argv", ["blind_pairs.py", f"--output={pages}", *12 * pair])
    blind_pairs.main()
    key = (tmp_path / "pages_key.txt").read_text(encoding="utf-8").splitlines()
    sides = set()
    for number, line in enumerate(key, start=1):
        page = Image.open(pages / f"{number}.png")
        shown = [page.getpixel((8 + 80 * column + 20, 20)) for column in range(3)]
        is_first = line.startswith(f"{number}: A is {tmp_path / 'ours.png'}, B is ")
        order = ("painting", "ours", "theirs") if is_first else ("painting", "theirs", "ours")
        assert shown == [colors[name] for name in order]
        sides.add(is_first)
    assert sides == {True, False}
