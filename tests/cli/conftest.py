"""The working directory of tests that write files."""

import shutil

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch, original):
    """A copy of what ``original`` of a file of tests holds, as the working directory."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
