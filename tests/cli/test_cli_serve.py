"""``isthmus serve``: what it hands over, and what it refuses in one line."""

import socket

import numpy as np
import pytest

import isthmus
from cli.command import run
from isthmus.serving import Limits


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "map.isthmus"
    isthmus.save(isthmus.LinearAutoencoder(1).fit(np.eye(3)), path)
    return path


@pytest.fixture
def handed_over(monkeypatch):
    """What the command hands to ``isthmus.serving.serve``, which then says that it has started."""
    calls = []

    def serve(model, *, started, **settings):
        calls.append((model, settings))
        started("serving it")

    monkeypatch.setattr("isthmus.serving.serve", serve)
    return calls


def test_defaults(saved, handed_over):
    result = run("serve", saved)
    assert (result.exit_code, result.output) == (0, "serving it\n")
    ((model, settings),) = handed_over
    np.testing.assert_array_equal(model.components_, isthmus.load(saved).components_)
    assert settings == {
        "host": "127.0.0.1",
        "port": 8000,
        "limits": Limits(),
        "keep_alive": 5.0,
        "name": "map.isthmus",
    }


def test_options(saved, handed_over):
    options = ("--port", 0, "--max-rows", 7, "--max-body", 2, "--body-seconds", 0.5)
    run("serve", saved, *options, "--at-once", 3, "--waiting", 0, "--keep-alive", 1)
    ((_, settings),) = handed_over
    limits = Limits(body_bytes=2 * 2**20, rows=7, body_seconds=0.5, at_once=3, waiting=0)
    assert (settings["limits"], settings["port"], settings["keep_alive"]) == (limits, 0, 1.0)


@pytest.mark.parametrize(
    ("host", "warns"),
    [("127.0.0.2", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True)],
)
def test_other_machines_are_warned_of(saved, handed_over, host, warns):
    result = run("serve", saved, "--host", host)
    assert ("no authentication and no TLS" in result.stderr) is warns
    assert result.stdout == "serving it\n"


def test_ctrl_c(saved, monkeypatch):
    def interrupted(model, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.serving.serve", interrupted)
    result = run("serve", saved)
    assert (result.exit_code, result.stderr) == (130, "isthmus: interrupted\n")


def test_a_port_in_use_is_one_line(saved):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("serve", saved, "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "in use" in line
    assert "or 0 for any that is free" in line


def test_a_missing_extra_is_one_line(saved, monkeypatch):
    monkeypatch.setattr("isthmus.serving.service.find_spec", lambda name: None)
    result = run("serve", saved)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "pip install 'isthmus[serve]'" in line


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    result = run("serve", tmp_path / "none.isthmus")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_the_help_says_what_is_needed():
    assert "isthmus[serve]" in run("serve", "--help").output
