"""A refusal: the sentence, and what to do where there is something to do."""

from hotkit.core.plan_error import PlanError


def test_a_refusal():
    short = PlanError("it has no RAM")
    assert (str(short), short.args, short.hint, short.key) == (
        "it has no RAM", ("it has no RAM",), None, None,
    )  # fmt: skip
    whole = PlanError("it has no RAM", "buy some", key="fast.size")
    assert (str(whole), whole.hint, whole.key) == ("it has no RAM", "buy some", "fast.size")
