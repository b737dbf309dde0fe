"""The messages of errors that TensorFlow raises while a graph runs."""

import re

# Where a node was made: lines of code, or none in a loaded model.
_TRACES = re.compile(
    r"\s*(Detected at node .*\(most recent call last\):\n"
    r"(<stack traces unavailable>\n|([ \t]*\n|  File .*\n)*))+"
)


def plain_message(text: str) -> str:
    """Returns a TensorFlow error's message without node names and lines of code.

    Args:
        text: the full message.
    """
    text = text.removeprefix("Graph execution error:")
    if traces := _TRACES.match(text):
        text = text[traces.end() :]
    root = re.search(r"\(0\) \w+: (.*)", text)  # "2 root error(s) found.\n  (0) CODE: ..."
    line = root[1] if root else next((line for line in text.splitlines() if line.strip()), "")
    line = re.sub(r"\s*\[\[\{\{(function_)?node .*?\}\}\]\]|\{\{function_node .*?\}\}", "", line)
    return re.sub(r" \[Op:\w+\]( name: \S*)?$", "", line).strip() or "The model failed."
