"""The plan of memory: whole if it fits, else in tiles. Maps: memory and files that are reused."""

import errno
import gc
import os
from pathlib import Path

import numpy as np
import pytest

from tf_style import StyleConfig
from tf_style.engine import machine_memory, memory_plan
from tf_style.tiling import maps

CONFIG = StyleConfig()


def plan(pixels, gigabytes, **options):
    config = CONFIG.replace(**options)
    (size_plan,) = memory_plan.plan_sizes([(pixels, 25)], config, gigabytes * memory_plan.GB)
    return size_plan


def test_a_size_that_fits_is_computed_whole_and_a_larger_one_in_tiles():
    assert plan(512 * 512, 4.0).tiling is None
    assert plan(4_000_000, 8.0).tiling is not None


def test_less_memory_never_gives_a_plan_that_needs_more():
    plans = [plan(16_000_000, gigabytes) for gigabytes in (64.0, 32.0, 16.0, 8.0, 4.0)]
    needs = [each.memory for each in plans]
    assert needs == sorted(needs, reverse=True)
    for each, gigabytes in zip(plans[:3], (64.0, 32.0, 16.0), strict=True):
        assert each.memory <= gigabytes * memory_plan.GB


def test_if_the_memory_is_unknown_every_size_is_computed_whole():
    assert plan(10**9, 0.0).tiling is None


def test_no_more_pairs_are_stored_than_steps_are_made():
    plans = memory_plan.plan_sizes([(10_000, 5), (40_000, 50)], CONFIG.replace(history=20), 0.0)
    assert [plan.history for plan in plans] == [5, 20]


def test_the_history_is_rounded_before_it_is_shortened():
    pairs = [plan(16_000_000, gigabytes) for gigabytes in (14.0, 12.0, 8.5, 7.0)]
    histories = [(each.history, each.bfloat16_history, each.is_short) for each in pairs]
    assert histories == [(20, False, False), (20, True, False), (10, True, True), (5, True, True)]
    assert "history 20 in bfloat16, " in memory_plan.described(pairs[1])
    assert not plan(16_000_000, 12.0, optimizer="tfp_lbfgs").bfloat16_history
    assert plan(16_000_000, 12.0, optimizer="tfp_lbfgs").is_short


def test_the_peak_counts_the_memory_of_smaller_sizes_too():
    sizes = [(3_000_000, 6), (12_000_000, 2), (49_000_000, 1)]
    plans = memory_plan.plan_sizes(sizes, CONFIG, 20.0 * memory_plan.GB)
    assert max(plan.pool for plan in plans) <= memory_plan.peak(plans) <= 20.0 * memory_plan.GB


def test_a_limit_that_no_plan_respects_gives_a_warning():
    plans = memory_plan.plan_sizes([(49_000_000, 1)], CONFIG, 2.0 * memory_plan.GB)
    warning = memory_plan.excess(plans, CONFIG, 2.0 * memory_plan.GB)
    assert warning is not None and "more than the 2.0 GB" in warning
    assert memory_plan.excess(plans, CONFIG, memory_plan.peak(plans)) is None
    assert memory_plan.excess(plans, CONFIG, 0.0) is None
    sliced = CONFIG.replace(style_loss="sliced")
    plans = memory_plan.plan_sizes([(49_000_000, 1)], sliced, 1e9)
    assert "losses other than sliced" in memory_plan.excess(plans, sliced, 1e9)


def test_losses_that_compare_all_positions_are_computed_whole():
    assert plan(49_000_000, 8.0, style_loss="sliced").tiling is None
    assert plan(49_000_000, 8.0, content_reduction="self_similarity").tiling is None


def test_the_available_memory_is_at_most_that_of_the_machine():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0.0 < machine_memory.available() <= total
    assert 0.9 * total < machine_memory.total() <= total or any(
        most.exists() for most, *_ in GROUPS
    )


GROUPS = machine_memory._GROUPS


@pytest.mark.parametrize("version", [0, 1])
def test_the_available_memory_is_at_most_that_of_the_control_group(version, tmp_path, monkeypatch):
    names = [path.name for path in GROUPS[version][:3]]
    texts = ["5000000", "4000000", "anon 7\ninactive_file 3000000\ntotal_inactive_file 3000000\n"]
    for name, text in zip(names, texts, strict=True):
        (tmp_path / name).write_text(text)
    group = (*(tmp_path / name for name in names), GROUPS[version][3])
    monkeypatch.setattr(machine_memory, "_GROUPS", [group])
    held = machine_memory._kilobytes(Path("/proc/self/status"), "VmRSS:")
    assert machine_memory.available() - held == pytest.approx(0.95 * 4_000_000, abs=1e7)
    assert machine_memory.total() == pytest.approx(0.95 * 5_000_000)
    (tmp_path / names[0]).write_text("max")
    assert machine_memory.available() > held + 1e7
    assert machine_memory.total() > 1e8


def test_a_deterministic_run_plans_with_the_total_memory(monkeypatch):
    monkeypatch.setattr(machine_memory, "available", lambda: 1.0)
    monkeypatch.setattr(machine_memory, "total", lambda: 2.0)
    assert memory_plan.limit_of(CONFIG) == 1.0
    assert memory_plan.limit_of(CONFIG.replace(deterministic=True)) == 2.0


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_map_keeps_what_is_written(on_disk, rng):
    pool = maps.Maps(on_disk=on_disk)
    taken = pool.take((1, 30, 40, 5), np.float32)
    assert not taken.array.any()
    values = rng.normal(size=(1, 10, 40, 5)).astype(np.float32)
    taken.array[:, 5:15] = values
    pool.rest()
    taken.array[:, 5:15] += values
    pool.rest()
    np.testing.assert_array_equal(taken.array[:, 5:15], values + values)
    assert not taken.array[:, 15:].any()


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_part_is_written_to_its_place(on_disk, rng):
    pool = maps.Maps(on_disk=on_disk)
    taken = pool.take((1, 30, 40, 5), np.float32)
    whole = np.zeros((1, 30, 40, 5), np.float32)
    for rows, columns in (slice(0, 7), slice(0, 40)), (slice(5, 30), slice(3, 9)):
        place = slice(None), rows, columns
        part = rng.normal(size=whole[place].shape).astype(np.float32)
        whole[place] = part
        taken.write(place, np.asfortranarray(part))
        np.testing.assert_array_equal(taken.array, whole)
        pool.rest()


def test_a_file_is_closed_with_its_map():
    taken = maps.Maps(on_disk=True).take((1000,), np.float32)
    descriptor = taken.descriptor
    os.fstat(descriptor)
    del taken
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("on_disk", [False, True])
def test_memory_that_is_given_back_is_used_again(on_disk):
    pool = maps.Maps(on_disk=on_disk)
    first, second = (pool.take((1, 40, 30, 8), np.float32) for _ in range(2))
    assert not np.shares_memory(first.array, second.array)
    pool.give_back(first, maps.Map(np.zeros(3)))
    third = pool.take((1, 39, 30, 8), np.uint8)
    assert not np.shares_memory(first.array, third.array)
    # Like the next layer of a picture with odd sides: 37,620 bytes in a buffer of 38,400.
    fourth = pool.take((1, 19, 15, 33), np.float32)
    assert np.shares_memory(first.array, fourth.array)
    assert fourth.array.shape == (1, 19, 15, 33)
    assert not np.shares_memory(second.array, fourth.array)


@pytest.mark.parametrize("on_disk", [False, True])
def test_tensorflow_can_share_the_memory_of_a_map(on_disk):
    for width in (1, 3, 16, 100):
        taken = maps.Maps(on_disk=on_disk).take((1, 3, width, 5), np.uint8)
        assert taken.is_shareable and taken.array.ctypes.data % 64 == 0
    assert not maps.Map(np.zeros(5)).is_shareable


def test_maps_in_files_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(maps.tempfile, "tempdir", str(tmp_path))
    taken = maps.Maps(on_disk=True).take((1000,), np.float32)
    taken.array[:] = 1.0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_before_anything_is_written(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(maps.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="`TMPDIR`.* No space left"):
        maps.Maps(on_disk=True).take((1000,), np.float32)
