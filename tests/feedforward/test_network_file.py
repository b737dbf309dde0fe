"""Files of style networks: what was written is read, and everything else is refused."""

import dataclasses

import numpy as np
import pytest
from tiny_style_network import make_tiny_network

from tf_style.feedforward.network_file import NetworkFileError, read_network, write_network


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "wave.tfstyle"
    write_network(path, make_tiny_network("wave", "scream"))
    return path


def test_a_network_is_read_with_16_bits(file):
    network, found = make_tiny_network("wave", "scream"), read_network(file)
    assert found.architecture == network.architecture
    assert list(found.styles) == ["wave", "scream"]
    assert found.about == {"steps": 0}
    for name, value in network.parameters.items():
        assert found.parameters[name].dtype == np.float32
        np.testing.assert_array_equal(found.parameters[name], np.float32(np.float16(value)))


def test_a_network_that_is_written_again_keeps_every_bit(file, tmp_path):
    found = read_network(file)
    write_network(tmp_path / "again.tfstyle", found)
    assert (tmp_path / "again.tfstyle").read_bytes() == file.read_bytes()


def test_a_cut_or_damaged_file_is_refused(file):
    data = file.read_bytes()
    for length in (0, 5, 30, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:length])
        with pytest.raises(NetworkFileError, match=r"network|truncated or damaged"):
            read_network(file)
    for place in (40, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(NetworkFileError, match="truncated or damaged"):
            read_network(file)


def test_other_formats_and_kinds_are_named(file, tmp_path):
    data = file.read_bytes()
    file.write_bytes(data.replace(b"network 1\n", b"network 7\n", 1))
    with pytest.raises(NetworkFileError, match="must have format 1. Received: format '7'"):
        read_network(file)
    file.write_bytes(b"tf_style checkpoint 2\n" + data)
    with pytest.raises(NetworkFileError, match="is not a network of tf_style"):
        read_network(file)
    with pytest.raises(FileNotFoundError, match="`network`"):
        read_network(tmp_path / "missing.tfstyle")


def test_numbers_that_16_bits_cannot_hold_are_not_written(file):
    network, before = make_tiny_network("wave"), file.read_bytes()
    for bad in (np.nan, 1e5):
        styles = {"wave": np.full_like(network.styles["wave"], bad)}
        with pytest.raises(NetworkFileError, match="'style/wave' .*smaller `learning_rate`"):
            write_network(file, network._replace(styles=styles))
        assert file.read_bytes() == before


def test_a_wrong_architecture_is_refused(tmp_path):
    path, network = tmp_path / "wrong.tfstyle", make_tiny_network("one")
    wrong = dataclasses.replace(network.architecture)
    object.__setattr__(wrong, "local_contrast", 2.0)
    write_network(path, network._replace(architecture=wrong))
    with pytest.raises(NetworkFileError, match="`local_contrast` must lie within 0..1"):
        read_network(path)


def test_wrong_shapes_are_refused(tmp_path):
    network = make_tiny_network("wave")
    path = tmp_path / "bad.tfstyle"
    bad = network._replace(parameters={**network.parameters, "bias": np.zeros(4)})
    write_network(path, bad)
    with pytest.raises(NetworkFileError, match="'bias' is not"):
        read_network(path)
    lacking = {name: value for name, value in network.parameters.items() if name != "bias"}
    write_network(path, network._replace(parameters=lacking))
    with pytest.raises(NetworkFileError, match="not a network of this version"):
        read_network(path)
