"""Which of the two forms a body has, and which one the answer is to have."""

from __future__ import annotations

from email.message import Message

from starlette.datastructures import Headers

from isthmus.serving._refusals import Refusal

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
FORMS = (JSON, ARROW)


def form_of_body(headers: Headers) -> str:
    """JSON or Arrow, as Content-Type says. Raises a Refusal for other types, charsets and encodings."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Refusal(
            415, f"the body has Content-Encoding {encoding!r}: send it as it is, not compressed"
        )
    came = headers.get("content-type")
    if came is None:
        raise Refusal(415, f"the request has no Content-Type: expected is {JSON} or {ARROW}")
    kind, charset = _parsed(came)
    if kind not in FORMS:
        raise Refusal(415, f"the Content-Type is {came!r}: expected is {JSON} or {ARROW}")
    if kind == JSON and charset not in (None, "utf-8", "utf8", "us-ascii"):
        raise Refusal(415, f"the JSON has charset {charset!r}: expected is UTF-8")
    return kind


def form_of_answer(headers: Headers, came: str) -> str:
    """The form that Accept likes best, in doubt the one that came. Raises a Refusal for others."""
    accept = ", ".join(headers.getlist("accept")).strip()
    if not accept:
        return came
    liked = {form: _quality(accept, form) for form in (came, *FORMS)}
    best = max(liked, key=lambda form: liked[form])
    if not liked[best]:
        raise Refusal(406, f"Accept is {accept!r}: answers are {JSON} or {ARROW}")
    return best


def _parsed(content_type: str) -> tuple[str, str | None]:
    message = Message()
    message["content-type"] = content_type
    return message.get_content_type(), message.get_content_charset()


def _quality(accept: str, form: str) -> float:
    """The weight that Accept gives a form, by the closest of its ranges; 0 where there is none."""
    closeness = {"*/*": 0, "application/*": 1, form: 2}
    closest, quality = -1, 0.0
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if closeness.get(media, -1) > closest:
            closest, quality = closeness[media], _weight(parameters)
    return quality


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
