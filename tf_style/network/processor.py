"""What Linux tells of the processor. No TensorFlow here."""

from pathlib import Path


def processor_features() -> str:
    """Returns the names of an x86 processor's features in one text, empty if they are unknown."""
    try:
        features = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    return features if "avx2" in features else ""
