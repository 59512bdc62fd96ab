from __future__ import annotations

import threading

from blocks.spark.fetch_maven_jars import fetching

COORDINATE = "org.example:thing:1.0"


def held_up(ivy):
    """Whether a second process's fetching waits for the first; it is seen to end in any case."""
    entered = threading.Event()

    def second():
        with fetching([COORDINATE], ivy):
            entered.set()

    with fetching([COORDINATE], ivy):
        other = threading.Thread(target=second)
        other.start()
        waits = not entered.wait(0.3)
    other.join(10)
    assert entered.is_set()
    return waits


def test_jars_that_are_not_there_are_fetched_by_one_at_a_time(tmp_path):
    assert held_up(tmp_path / "ivy")


def test_jars_that_are_there_hold_nobody_up(tmp_path):
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "org.example_thing-1.0.jar").touch()

    assert not held_up(tmp_path)


def test_a_directory_that_cannot_be_made_is_left_to_spark(tmp_path):
    (tmp_path / "file").touch()
    with fetching([COORDINATE], tmp_path / "file"):
        entered = True

    assert entered
