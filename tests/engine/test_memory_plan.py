"""Memory as a plan: what fits is computed whole, the rest in tiles, and files leave nothing."""

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
    (found,) = memory_plan.plan_sizes([(pixels, 25)], config, gigabytes * memory_plan.GB)
    return found


def test_a_size_that_fits_is_computed_whole_and_a_larger_one_in_tiles():
    assert plan(512 * 512, 4.0).tiling is None
    assert plan(4_000_000, 8.0).tiling is not None


def test_less_memory_never_gives_a_plan_that_takes_more():
    plans = [plan(16_000_000, gigabytes) for gigabytes in (64.0, 32.0, 16.0, 8.0, 4.0)]
    takes = [each.memory for each in plans]
    assert takes == sorted(takes, reverse=True)
    for each, gigabytes in zip(plans[:3], (64.0, 32.0, 16.0), strict=True):
        assert each.memory <= gigabytes * memory_plan.GB


def test_nothing_is_known_of_a_machine_that_does_not_tell():
    assert plan(10**9, 0.0).tiling is None


def test_no_more_pairs_are_kept_than_steps_are_made():
    plans = memory_plan.plan_sizes([(10_000, 5), (40_000, 50)], CONFIG.replace(history=20), 0.0)
    assert [plan.history for plan in plans] == [5, 20]


def test_pairs_are_rounded_before_they_are_fewer():
    pairs = [plan(16_000_000, gigabytes) for gigabytes in (14.0, 12.0, 8.5, 7.0)]
    kept = [(each.history, each.bfloat16_history, each.is_short) for each in pairs]
    assert kept == [(20, False, False), (20, True, False), (10, True, True), (5, True, True)]
    assert "history 20 in bfloat16, " in memory_plan.described(pairs[1])
    assert not plan(16_000_000, 12.0, optimizer="tfp_lbfgs").bfloat16_history
    assert plan(16_000_000, 12.0, optimizer="tfp_lbfgs").is_short


def test_what_a_size_takes_is_not_given_back_to_the_next():
    sizes = [(3_000_000, 6), (12_000_000, 2), (49_000_000, 1)]
    plans = memory_plan.plan_sizes(sizes, CONFIG, 20.0 * memory_plan.GB)
    assert max(plan.pool for plan in plans) <= memory_plan.peak(plans) <= 20.0 * memory_plan.GB


def test_a_limit_that_no_plan_keeps_is_told():
    plans = memory_plan.plan_sizes([(49_000_000, 1)], CONFIG, 2.0 * memory_plan.GB)
    told = memory_plan.excess(plans, CONFIG, 2.0 * memory_plan.GB)
    assert told is not None and "more than the 2.0 GB" in told
    assert memory_plan.excess(plans, CONFIG, memory_plan.peak(plans)) is None
    assert memory_plan.excess(plans, CONFIG, 0.0) is None
    sliced = CONFIG.replace(style_loss="sliced")
    told = memory_plan.excess(memory_plan.plan_sizes([(49_000_000, 1)], sliced, 1e9), sliced, 1e9)
    assert "losses other than sliced" in told


def test_losses_that_compare_all_positions_are_computed_whole():
    assert plan(49_000_000, 8.0, style_loss="sliced").tiling is None
    assert plan(49_000_000, 8.0, content_reduction="self_similarity").tiling is None


def test_the_memory_at_hand_is_at_most_the_machines():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0.0 < machine_memory.available() <= total
    assert 0.9 * total < machine_memory.total() <= total or any(
        most.exists() for most, *_ in GROUPS
    )


GROUPS = machine_memory._GROUPS


@pytest.mark.parametrize("version", [0, 1])
def test_the_memory_at_hand_is_at_most_the_control_groups(version, tmp_path, monkeypatch):
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


def test_a_deterministic_run_plans_with_what_is_always_there(monkeypatch):
    monkeypatch.setattr(machine_memory, "available", lambda: 1.0)
    monkeypatch.setattr(machine_memory, "total", lambda: 2.0)
    assert memory_plan.limit_of(CONFIG) == 1.0
    assert memory_plan.limit_of(CONFIG.replace(deterministic=True)) == 2.0


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_map_keeps_what_is_written(on_disk, rng):
    space = maps.Maps(on_disk=on_disk)
    kept = space.take((1, 30, 40, 5), np.float32)
    assert not kept.array.any()
    values = rng.normal(size=(1, 10, 40, 5)).astype(np.float32)
    kept.array[:, 5:15] = values
    space.rest()
    kept.array[:, 5:15] += values
    space.rest()
    np.testing.assert_array_equal(kept.array[:, 5:15], values + values)
    assert not kept.array[:, 15:].any()


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_part_is_written_where_it_belongs(on_disk, rng):
    space = maps.Maps(on_disk=on_disk)
    kept = space.take((1, 30, 40, 5), np.float32)
    whole = np.zeros((1, 30, 40, 5), np.float32)
    for rows, columns in (slice(0, 7), slice(0, 40)), (slice(5, 30), slice(3, 9)):
        place = slice(None), rows, columns
        part = rng.normal(size=whole[place].shape).astype(np.float32)
        whole[place] = part
        kept.write(place, np.asfortranarray(part))
        np.testing.assert_array_equal(kept.array, whole)
        space.rest()


def test_a_file_is_closed_with_its_map():
    kept = maps.Maps(on_disk=True).take((1000,), np.float32)
    descriptor = kept.descriptor
    os.fstat(descriptor)
    del kept
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("on_disk", [False, True])
def test_memory_that_is_given_back_is_used_again(on_disk):
    kept = maps.Maps(on_disk=on_disk)
    first, second = (kept.take((1, 40, 30, 8), np.float32) for _ in range(2))
    assert not np.shares_memory(first.array, second.array)
    kept.give_back(first, maps.Map(np.zeros(3)))
    third = kept.take((1, 39, 30, 8), np.uint8)
    assert not np.shares_memory(first.array, third.array)
    # As of the next layer of a picture of odd sides.
    fourth = kept.take((1, 19, 15, 33), np.float32)  # 37,620 bytes, for 38,400.
    assert np.shares_memory(first.array, fourth.array)
    assert fourth.array.shape == (1, 19, 15, 33)
    assert not np.shares_memory(second.array, fourth.array)


@pytest.mark.parametrize("on_disk", [False, True])
def test_tensorflow_may_work_in_the_memory_of_a_map(on_disk):
    for width in (1, 3, 16, 100):
        kept = maps.Maps(on_disk=on_disk).take((1, 3, width, 5), np.uint8)
        assert kept.is_shareable and kept.array.ctypes.data % 64 == 0
    assert not maps.Map(np.zeros(5)).is_shareable


def test_maps_in_files_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(maps.tempfile, "tempdir", str(tmp_path))
    kept = maps.Maps(on_disk=True).take((1000,), np.float32)
    kept.array[:] = 1.0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(maps.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="`TMPDIR`.* No space left"):
        maps.Maps(on_disk=True).take((1000,), np.float32)
