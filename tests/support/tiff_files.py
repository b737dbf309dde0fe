"""TIFF files that no library here writes."""

import struct


def tiff_12_bits(values, photometric, samples=1):
    """A TIFF file of one row of 12-bit values, packed (TIFF 6.0, section 8)."""
    bits = "".join(format(int(value), "012b") for value in values)
    data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    tags = [
        (256, 3, len(values) // samples), (257, 3, 1), (258, 3, 12), (259, 3, 1),
        (262, 3, photometric), (273, 4, 8), (277, 3, samples), (278, 3, 1), (279, 4, len(data)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags))
    for tag, kind, value in tags:
        directory += struct.pack("<HHII", tag, kind, 1, value)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4)
