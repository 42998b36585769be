"""The one shape of an error, checked in one place."""

KEYS = ["type", "title", "status", "detail", "where", "hint", "errors"]


def assert_problem(answer, status, where=None, hint=""):
    """Check that an answer is a problem of this status, and return it."""
    assert answer.status_code == status, answer.content[:500]
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert sorted(problem) == sorted(KEYS)
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"]
    assert problem["detail"]
    assert all(isinstance(problem[key], str) for key in KEYS if key not in {"status", "errors"})
    assert all(sorted(one) == ["detail", "where"] for one in problem["errors"])
    if where is not None:
        assert problem["where"] == where
    assert hint in problem["hint"]
    return problem
