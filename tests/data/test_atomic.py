"""A file is one of those that were written to its path, whole, however many write at a time."""

import os

from isthmus.data.atomic import remove_left_over, replacing


def test_two_that_write_to_one_path_do_not_mix(tmp_path):
    path = tmp_path / "coordinates.csv"
    with replacing(path) as first, first.open("w") as slow:
        slow.write("begun ")
        slow.flush()
        with replacing(path) as second:
            second.write_text("another")
        assert path.read_text() == "another"
        slow.write("and ended")
    assert path.read_text() == "begun and ended"
    assert os.listdir(tmp_path) == ["coordinates.csv"]


def test_what_a_killed_process_left_is_found_by_the_name_of_its_file(tmp_path):
    # One whose name only begins alike is another file's.
    other = tmp_path / "1.parquet.csv"
    with replacing(other) as kept, replacing(tmp_path / "1.parquet") as left:
        kept.write_text("kept")
        left.write_text("left over")
        remove_left_over(tmp_path / "1.parquet")
        assert not left.exists()
        assert kept.exists()
        left.write_text("written again")
