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


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path):
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "map").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(place / "map")
    with replacing(link) as new:
        new.write_text("new")
        # A rename needs both on one disk.
        assert new.parent == place
        remove_left_over(link)
        assert not new.exists()
        new.write_text("new again")
    assert link.is_symlink()
    assert (place / "map").read_text() == "new again"
    assert os.listdir(place) == ["map"]


def test_who_may_read_a_file_may_read_the_one_that_replaces_it(tmp_path):
    path = tmp_path / "private.csv"
    path.write_text("old")
    path.chmod(0o600)
    with replacing(path) as new:
        new.write_text("new")
    assert path.stat().st_mode & 0o777 == 0o600


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
