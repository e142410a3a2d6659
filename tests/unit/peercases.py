"""Sessions of the comparison with peers, as its evidence has them."""

from __future__ import annotations


def said(verdict, change_percent=1.0, **more):
    return {
        "verdict": verdict, "change_percent": change_percent, "wall_s": 20.0, "timed_s": 10.0,
        "timed_runs": 100, "warned": False, "others_cpus": None, **more,
    }  # fmt: skip


def case(kind, effect, identical, more):
    """A session in which each tool said so of both questions; a pair is verdict and estimate."""
    answers = {}
    for question, words in (("identical", identical), ("more work", more)):
        hotkit, hyperfine, pyperf = (w if isinstance(w, tuple) else (w, 1.0) for w in words)
        answers[question] = {
            "hotkit": said(*hotkit),
            "hyperfine": said(*hyperfine, own_words={"verdict": "alike"}),
            "pyperf": said(*pyperf, warned=True),
        }
    return {"ok": True, "load": kind, "effect_percent": effect, "answers": answers}


CASES = [
    case("none", 1.0, ("alike", "different", "alike"), ("different", "alike", "different")),
    case("heavy", 1.0, ("refused", "different", "different"),
         (("different", 1.5), ("different", -9.0), ("alike", -2.0))),
    case("heavy", 2.0, ("alike", ("different", -3.0), "alike"), ("refused", "different", "alike")),
    {"ok": False, "error": "pyperf: exit code 1"},
]  # fmt: skip
