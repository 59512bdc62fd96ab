"""What an error of AWS means for whoever runs a load, by its code and its HTTP status.

Promise: of AWS's own text only the name of a missing right is kept: the rest may repeat the
request.

Sources: "Common errors" of each service's API reference, "Error responses" of S3's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["AwsRefusal", "refusal_of"]

_RIGHT = re.compile(r"not authorized to perform: ?([a-z0-9-]{2,30}:[A-Za-z]{2,60})\b")
_EXPIRED_TEXT = re.compile(r"(?i)token (?:included in the request is|has) expired")
_SERVER_ERROR, _TOO_MANY, _MOVED, _DENIED = 500, 429, 301, frozenset({401, 403})

_PASSING = re.compile(
    r"Throttl|SlowDown|TooManyRequests|RequestLimitExceeded|LimitExceeded|Internal|"
    r"ServiceUnavailable|RequestTimeout|OperationTimeout|DependencyTimeout|KeyUnavailable"
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN_LOGIN = frozenset(
    {
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_OTHER_REGION = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed"})


@dataclass(frozen=True, slots=True)
class AwsRefusal:
    """One answer of AWS.

    Attributes:
        passes: The same call may succeed later.
        found: What was answered, without any content of the request.
        next_step: What to do about it.
    """

    passes: bool
    found: str
    next_step: str


def refusal_of(code: str, status: int | None = None, text: str = "") -> AwsRefusal:
    """The meaning of an error.

    Args:
        code: The error's code, such as `AccessDenied`, or the name of its class in Java.
        status: The HTTP status; None: not known.
        text: AWS's text, in which the missing right may be named.
    """
    found = code if status is None or code == str(status) else f"{code} (HTTP {status})"
    number = status or 0
    if number >= _SERVER_ERROR or number == _TOO_MANY or _PASSING.search(code):
        return AwsRefusal(True, found, "Run it again, later or with fewer runs side by side.")
    right = _RIGHT.search(text)
    if code in _EXPIRED or _EXPIRED_TEXT.search(text):
        more, next_step = ": the credentials are expired", _RENEW
    elif code in _UNKNOWN_LOGIN:
        more, next_step = "", "Correct the keys in the aws-credentials block, and run again."
    elif code in _OTHER_REGION or number == _MOVED:
        more = ": the bucket is in another region"
        next_step = "Correct `region` in the lakehouse's block to that of the bucket."
    elif code.startswith("NoSuchBucket"):
        more, next_step = "", "Make the bucket, or correct its name in the block."
    elif right is not None:
        more, next_step = f": no right to {right[1]}", "Have the right granted: docs/aws.md."
    elif number in _DENIED or code.startswith(("AccessDenied", "Forbidden")):
        more = ""
        next_step = "Have the access granted (docs/aws.md), or correct the credentials."
    else:
        more, next_step = "", "Check the region, the names and the rights: docs/aws.md."
    return AwsRefusal(False, found + more, next_step)


_RENEW = (
    "Renew the session token in the aws-credentials block, or leave its keys out, so that AWS's"
    " own chain renews them; then run again."
)
