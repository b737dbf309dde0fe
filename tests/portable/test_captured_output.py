"""Output of converters is captured, and the streams are restored afterwards."""

import logging
import os
import sys

from tf_style.portable.captured_output import captured_output


def test_output_from_python_and_c_is_captured(capfd):
    with captured_output(loggers=["of a converter"]) as lines:
        sys.stdout.write("to stdout\n")
        sys.stderr.write("to stderr\n")
        os.write(1, b"past Python to 1\n")
        os.write(2, b"past Python to 2\n")
        logging.getLogger("of a converter").error("logged")
        assert lines == []
    assert set(lines) == {
        "to stdout", "to stderr", "past Python to 1", "past Python to 2", "logged"
    }  # fmt: skip
    sys.stdout.write("behind\n")
    os.write(2, b"behind, too\n")
    assert capfd.readouterr() == ("behind\n", "behind, too\n")


def test_an_error_propagates_and_the_streams_are_restored(capfd):
    lines = []
    try:
        with captured_output() as lines:
            os.write(2, b"before it broke\n")
            raise RuntimeError
    except RuntimeError:
        os.write(2, b"back\n")
    assert lines == ["before it broke"]
    assert capfd.readouterr().err == "back\n"


def test_the_settings_of_a_logger_are_restored(caplog):
    logger = logging.getLogger("of a converter")
    with captured_output(loggers=[logger.name]):
        logger.warning("kept")
    assert (logger.handlers, logger.propagate) == ([], True)
    logger.warning("told")
    assert [record.getMessage() for record in caplog.records] == ["told"]
