"""Processes that die while they write a checkpoint, without a process."""

import itertools
import os


class Killed(BaseException):
    """As SIGKILL: nothing that is expected, and nobody handles it."""


def dies_at_write(monkeypatch, number, where="replace"):
    """From now on the write of this number dies where it flushes its file, or takes its place."""
    calls = itertools.count(1)
    real = {"fsync": os.fsync, "replace": os.replace}[where]
    # A file that is written is flushed, renamed, and then its folder is flushed.
    fatal = 2 * number - 1 if where == "fsync" else number

    def dying(*arguments, **options):
        if next(calls) == fatal:
            raise Killed
        return real(*arguments, **options)

    monkeypatch.setattr(os, where, dying)


def until_complete(run, monkeypatch, where="replace"):
    """Start ``run`` again and again, each time to die at its second write; (result, times it died)."""
    deaths, results = 0, None
    while results is None:
        with monkeypatch.context() as patch:
            dies_at_write(patch, 2, where)
            try:
                results = run()
            except Killed:
                deaths += 1
                assert deaths < 100
    return results, deaths
