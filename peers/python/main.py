"""Plays the scenarios of peers/README.md on the official Python client.

The client has no helper for conflicts: the loop is in counting.py.
"""

import json
import sys

from kubernetes import config

import counting
import configmaps
import custom

SCENARIOS = {
    "once": lambda: counting.play(workers=5, attempts=1),
    "retry": lambda: counting.play(workers=5, attempts=10),
    "crud": configmaps.crud,
    "watch": configmaps.watch_again,
    "apply": configmaps.apply,
    "informer": configmaps.informer,
    "expired": configmaps.expired,
    "custom": custom.play,
}


def main(names):
    """Plays the scenarios of these names; the exit code is 1 where a scenario fails."""
    config.load_kube_config()
    for name in names:
        print(json.dumps({"scenario": name, "outcome": SCENARIOS[name]()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
