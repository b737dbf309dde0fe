"""Masks and labels: which region takes which style."""

import numpy as np
import pytest
from PIL import Image

import tf_style
from tf_style.inputs import masks
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.masks import blend_of, read_mask, read_regions
from tf_style.inputs.preparation import prepare_inputs
from tf_style.inputs.sizes import Sizes

CONTENT, STYLE = Sizes((32, 40), (32, 40)), Sizes((24, 20), (24, 20))
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def settings(**options):
    return tf_style.StyleConfig().replace(**options)


def gray(rng, size):
    return rng.integers(1, 256, (*size, 1), np.uint8)


def labels(size, *colors):
    """Vertical stripes of these colors, of equal width except the last."""
    height, width = size
    picture = np.zeros([height, width, 3], np.uint8)
    for index, color in enumerate(colors):
        picture[:, index * (width // len(colors)) :] = color
    return picture


def read(contents, styles, sizes=(STYLE,), **options):
    return read_regions(contents, styles, content=CONTENT, styles=sizes, config=settings(**options))


def test_gray_masks_become_regions_in_their_order(rng):
    contents, others = ([gray(rng, sizes.used) for _ in range(3)] for sizes in (CONTENT, STYLE))
    regions, notes = read(contents, others)
    for region in range(3):
        expected = contents[region][..., 0] / np.float32(255)
        np.testing.assert_array_equal(regions.content[0, ..., region], expected)
        expected = others[region][..., 0] / np.float32(255)
        np.testing.assert_array_equal(regions.styles[0][0, ..., region], expected)
    np.testing.assert_array_equal(regions.blend, np.ones([3, 1]))
    np.testing.assert_array_equal(regions.strengths, np.ones(3))
    assert notes == ()


def test_each_region_may_have_a_style_of_its_own(rng):
    contents = [gray(rng, CONTENT.used) for _ in range(2)]
    other = Sizes((30, 30), (15, 15))
    masks = [gray(rng, STYLE.used), gray(rng, (30, 30))]
    regions, notes = read(contents, masks, sizes=(STYLE, other), region_strengths="1,0.5")
    np.testing.assert_array_equal(regions.blend, np.eye(2))
    np.testing.assert_array_equal(regions.strengths, np.float32([1, 0.5]))
    assert [style.shape for style in regions.styles] == [(1, 24, 20, 2), (1, 15, 15, 2)]
    np.testing.assert_array_equal(regions.styles[0][0, ..., 0], masks[0][..., 0] / np.float32(255))
    assert notes == ()


def test_styles_without_masks_are_taken_whole(rng):
    regions, _ = read([gray(rng, CONTENT.used)], [], sizes=(STYLE, STYLE), style_blend="3,1")
    np.testing.assert_array_equal(regions.blend, np.float32([[0.75, 0.25]]))
    assert all(np.all(style == 1.0) for style in regions.styles)


def test_regions_of_labels_are_matched_by_their_color():
    content = labels(CONTENT.used, RED, GREEN, BLUE)
    styles = [labels(STYLE.used, BLUE, RED), labels((16, 16), GREEN, BLUE)]
    sizes = (STYLE, Sizes((16, 16), (16, 16)))
    regions, _ = read([content], styles, sizes=sizes, style_blend="1,3")
    order = sorted([RED, GREEN, BLUE])
    for region, color in enumerate(order):
        is_here = (content == color).all(-1)
        np.testing.assert_array_equal(regions.content[0, ..., region], is_here)
        for mask, style in zip(styles, regions.styles, strict=True):
            np.testing.assert_array_equal(style[0, ..., region], (mask == color).all(-1))
    blends = {RED: (1, 0), GREEN: (0, 1), BLUE: (0.25, 0.75)}
    np.testing.assert_allclose(regions.blend, [blends[color] for color in order])


def test_masks_of_another_size_are_stretched_with_a_note(rng):
    regions, notes = read([gray(rng, (64, 64))], [gray(rng, (24, 20))])
    assert regions.content.shape == (1, 32, 40, 1)
    (note,) = notes
    assert note == (
        "`content_masks[0]` has 64x64 px, but its picture has 40x32; the mask is stretched."
    )


@pytest.mark.parametrize("count", [1, 2])
def test_several_scales_read_each_mask_once_and_give_the_regions_of_each(count, rng, monkeypatch):
    contents = [gray(rng, CONTENT.used) for _ in range(count)]
    others = [gray(rng, STYLE.used) for _ in range(count)]
    small = Sizes(STYLE.read, (12, 10))
    alone = [read(contents, others, sizes=(sizes,) * count)[0] for sizes in (STYLE, small)]
    sources = []

    def counted(source, argument, notes):
        sources.append(argument)
        return read_mask(source, argument, notes)

    monkeypatch.setattr(masks, "read_mask", counted)
    regions, notes = read_regions(
        contents,
        others,
        content=CONTENT,
        styles=(STYLE,) * count + (small,) * count,
        config=settings(),
        num_scales=2,
    )
    assert len(sources) == len(set(sources)) == 2 * count
    np.testing.assert_array_equal(regions.content, alone[0].content)
    expected = [mask for each in alone for mask in each.styles]
    for found, mask in zip(regions.styles, expected, strict=True):
        np.testing.assert_array_equal(found, mask)
    blends = np.concatenate([each.blend for each in alone], 1)
    np.testing.assert_array_equal(regions.blend, blends / 2)
    assert notes == ()


def test_notes_of_all_scales_are_kept_once(rng):
    # The mask fits the style's size at the last scale only.
    sizes = (Sizes((24, 20), (24, 20)), Sizes((24, 20), (18, 15)), Sizes((24, 20), (12, 10)))
    _, notes = read_regions(
        [gray(rng, (64, 64))],
        [gray(rng, (12, 10))],
        content=CONTENT,
        styles=sizes,
        config=settings(),
        num_scales=3,
    )
    assert [note.partition(" has ")[0] for note in notes] == [
        "`style_masks[0]`",
        "`content_masks[0]`",
    ]


@pytest.mark.parametrize(
    ("contents", "styles", "options", "message"),
    [
        (2, 1, {}, "`style_masks` must be as many as `content_masks`, or none. Received: 1 and 2"),
        (1, 1, {"region_strengths": "1,1"}, "one number for each region. .*'1,1' for 1 regions"),
        (1, 0, {"style_blend": "1,2"}, "`style_blend` must have one weight for each style"),
    ],
)
def test_wrong_numbers_of_masks_are_errors(contents, styles, options, message, rng):
    given = [gray(rng, CONTENT.used)] * contents, [gray(rng, STYLE.used)] * styles
    with pytest.raises(ValueError, match=message):
        read(*given, **options)


def test_masks_without_a_region_or_a_counterpart_are_errors(rng):
    black = np.zeros([32, 40, 1], np.uint8)
    with pytest.raises(ValueError, match=r"`content_masks\[0\]` must be white somewhere"):
        read([black], [])
    with pytest.raises(ValueError, match="`style_masks` must have the color #00ff00"):
        read([labels(CONTENT.used, RED, GREEN)], [labels(STYLE.used, RED, BLUE)])
    regions, _ = read(
        [labels(CONTENT.used, RED, GREEN)],
        [labels(STYLE.used, RED, BLUE)],
        region_strengths="0,1",  # Green comes first.
    )
    assert regions.strengths.tolist() == [0.0, 1.0]
    noisy = rng.integers(0, 256, (32, 40, 3), np.uint8)
    with pytest.raises(ValueError, match="at most 16 colors.*Save it as PNG"):
        read([noisy], [labels(STYLE.used, RED, BLUE)])
    with pytest.raises(ValueError, match="one label picture for each style"):
        read([labels(CONTENT.used, RED, GREEN)], [])


def test_constant_and_equal_masks_get_notes(rng):
    white = np.full([32, 40, 1], 255, np.uint8)
    _, notes = read([white], [])
    assert notes == ("`content_masks[0]` is the same everywhere: its region is the whole picture.",)
    mask = gray(rng, CONTENT.used)
    _, notes = read([mask, mask], [])
    assert [note for note in notes if "same as `content_masks[0]`" in note]


@pytest.mark.parametrize("text", ["a", "1,,2", "-1", "nan", "1;2"])
def test_text_that_is_no_list_of_numbers_is_an_error(text):
    with pytest.raises(ValueError, match="`style_blend` must be numbers separated by commas"):
        settings(style_blend=text)


def test_weights_of_styles_add_up_to_one():
    np.testing.assert_allclose(blend_of(settings(style_blend="1,3"), 2), [0.25, 0.75])
    np.testing.assert_allclose(blend_of(settings(), 4), [0.25] * 4)
    with pytest.raises(ValueError, match="must have a weight above 0"):
        settings(style_blend="0,0")
    with pytest.raises(ValueError, match="must have a number above 0"):
        settings(region_strengths="0,0")


def test_masks_may_be_files_pictures_or_arrays_alone_or_in_lists(picture_file, rng):
    mask = gray(rng, (32, 40))
    path = picture_file("mask.png")
    Image.fromarray(mask[..., 0]).save(path)
    content, style = picture_file("content.png"), picture_file("style.png")
    given = [
        prepare_inputs(content, style, settings(size=0), ControlPictures(each))
        for each in (path, [path], (Image.open(path),), mask)
    ]
    for inputs in given:
        np.testing.assert_array_equal(inputs.regions.content, given[0].regions.content)
    with pytest.raises(ValueError, match="Cannot use `style_masks` without `content_masks`"):
        prepare_inputs(content, style, settings(), ControlPictures((), [path]))
    with pytest.raises(ValueError, match="Cannot use `content_masks` with `regions`"):
        prepare_inputs(content, style, settings(regions="auto"), ControlPictures([path]))
    mapped = prepare_inputs(
        content, style, settings(size=0, content_map_gain=4.0), ControlPictures(content_map=path)
    )
    np.testing.assert_allclose(mapped.content_map[0], 1.0 + 3.0 * mask / 255.0, rtol=1e-6)


def test_colored_masks_among_gray_ones_are_errors(rng):
    colored = labels(STYLE.used, RED, GREEN)
    with pytest.raises(ValueError, match=r"`style_masks\[0\]` must be a gray picture"):
        read([gray(rng, CONTENT.used)], [colored])
    content = rng.integers(0, 256, (20, 24, 3), np.uint8)
    with pytest.raises(ValueError, match="`content_map` must be a gray picture"):
        prepare_inputs(content, content, settings(), ControlPictures(content_map=colored))


def test_stretched_and_constant_content_maps_get_notes(rng):
    content = rng.integers(0, 256, (20, 24, 3), np.uint8)
    map_of_ones = np.full([10, 90, 1], 255, np.uint8)
    notes = prepare_inputs(
        content, content, settings(), ControlPictures(content_map=map_of_ones)
    ).notes
    assert notes == (
        "`content_map` has 90x10 px, but its picture has 24x20; the mask is stretched.",
        "`content_map` is the same everywhere: the content counts equally everywhere.",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"content_map_gain": 3.0}, "Cannot use `content_map_gain` without `content_map`"),
        ({"mask_mode": "all"}, "Cannot use `mask_mode` without `content_masks`"),
        ({"region_strengths": "1,2"}, "Cannot use `region_strengths` without `content_masks`"),
    ],
)
def test_options_of_missing_pictures_are_errors(options, message, rng):
    content = rng.integers(0, 256, (20, 24, 3), np.uint8)
    with pytest.raises(ValueError, match=message):
        prepare_inputs(content, content, settings(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fidelity": 0.1}, "Cannot use `fidelity` without photorealistic"),
        ({"num_regions": 4}, "Cannot use `num_regions` without regions='auto'"),
        ({"regions": "automatic"}, "`regions` must be one of '', 'auto', 'none'"),
        ({"regions": "auto", "num_regions": 1}, "`num_regions` must lie within 2..16"),
        ({"regions": "auto", "region_strengths": "1,2"}, "with regions='auto'.*content_masks"),
        ({"regions": "auto", "color": "match,style"}, "with regions='auto'.*content_masks"),
        ({"style_blend": "1e-50,1"}, "must be numbers separated by commas"),
    ],
)
def test_contradicting_options_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        settings(**options)


def test_many_styles_for_few_regions_need_a_blend(rng):
    given = [gray(rng, CONTENT.used) for _ in range(2)]
    with pytest.raises(ValueError, match="Use `style_blend` to blend all styles in each"):
        read(given, [], sizes=(STYLE,) * 3)
    regions, _ = read(given, [], sizes=(STYLE,) * 3, style_blend="1,1,2")
    np.testing.assert_allclose(regions.blend, [[0.25, 0.25, 0.5]] * 2)


def test_a_scale_at_which_a_style_is_too_small_is_named(rng):
    content = rng.integers(0, 256, (64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="at the scale 0.1 of `style_scales`.*Leave that scale"):
        prepare_inputs(content, content, settings(size=0, style_scales="1,0.1"))
