"""ICC profiles whose effect is known."""

import struct

from PIL import ImageCms


def swapped_profile():
    """An RGB profile whose red is sRGB's green and the other way round."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    for i in range(count):
        at = 132 + 12 * i
        swap = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(bytes(data[at : at + 4]))
        if swap:
            data[at : at + 4] = swap
    return bytes(data)
