"""The folders of the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
EXAMPLES = ROOT / "examples"
GOLDENS = ROOT / "tests" / "goldens"
SUPPORT = ROOT / "tests" / "support"
