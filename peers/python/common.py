"""What the scenarios share."""

import json

from kubernetes import client

NAMESPACE = "default"


def refused(call, *args, **kwargs):
    """Code and reason of the Status that a call is refused with."""
    try:
        call(*args, **kwargs)
    except client.ApiException as error:
        return f"{error.status} {json.loads(error.body)['reason']}"
    raise AssertionError(f"{call.__name__} should have been refused")
