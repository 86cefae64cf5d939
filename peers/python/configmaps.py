"""Scenarios on ConfigMaps."""

import copy
import queue
import threading

from kubernetes import client, watch
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer

from common import NAMESPACE, refused


def configmap(scenario, name, value):
    return client.V1ConfigMap(
        metadata=client.V1ObjectMeta(name=name, labels={"scenario": scenario}),
        data={"a": value},
    )


def show(object):
    return " ".join(f"{key}={value}" for key, value in sorted(object.data.items()))


def crud():
    """Creates, reads, updates, patches, lists and deletes."""
    api = client.CoreV1Api()
    steps = []
    made = api.create_namespaced_config_map(NAMESPACE, configmap("crud", "crud", "1"))
    steps.append(f"created {show(made)}")
    steps.append(refused(api.create_namespaced_config_map, NAMESPACE, configmap("crud", "crud", "1")))
    read = api.read_namespaced_config_map("crud", NAMESPACE)
    steps.append(f"read {show(read)}")
    changed = copy.deepcopy(read)
    changed.data = {"a": "2"}
    updated = api.replace_namespaced_config_map("crud", NAMESPACE, changed)
    steps.append(f"updated {show(updated)}")
    steps.append(refused(api.replace_namespaced_config_map, "crud", NAMESPACE, read))
    for kind, body in [
        ("merge", {"data": {"b": "3"}}),
        ("json", [{"op": "remove", "path": "/data/a"}]),
        ("strategic-merge", {"data": {"b": None, "c": "4"}}),
    ]:
        patched = api.patch_namespaced_config_map(
            "crud", NAMESPACE, body, _content_type=f"application/{kind}-patch+json"
        )
        steps.append(f"{kind.removesuffix('-merge')} {show(patched)}")
    for item in api.list_namespaced_config_map(NAMESPACE, label_selector="scenario=crud").items:
        steps.append(f"listed {item.metadata.name}")
    api.delete_namespaced_config_map("crud", NAMESPACE)
    steps.append("deleted")
    steps.append(refused(api.read_namespaced_config_map, "crud", NAMESPACE))
    return steps


def watch_again():
    """Watches, stops, and goes on from the last version that it has seen."""
    api = client.CoreV1Api()
    steps = []

    def follow(version, count):
        """Notes so many events from a version on, and returns the version of the last one."""
        watching = watch.Watch()
        events = watching.stream(
            api.list_namespaced_config_map,
            NAMESPACE,
            label_selector="scenario=watch",
            resource_version=version,
        )
        for event in events:
            object = event["object"]
            steps.append(f"{event['type']} {object.metadata.name} {object.data['a']}")
            version = object.metadata.resource_version
            count -= 1
            if count == 0:
                watching.stop()
        return version

    version = api.list_namespaced_config_map(
        NAMESPACE, label_selector="scenario=watch"
    ).metadata.resource_version
    api.create_namespaced_config_map(NAMESPACE, configmap("watch", "first", "1"))
    api.replace_namespaced_config_map("first", NAMESPACE, configmap("watch", "first", "2"))
    version = follow(version, 2)

    api.replace_namespaced_config_map("first", NAMESPACE, configmap("watch", "first", "3"))
    api.create_namespaced_config_map(NAMESPACE, configmap("watch", "second", "1"))
    api.delete_namespaced_config_map("first", NAMESPACE)
    version = follow(version, 3)

    api.delete_namespaced_config_map("second", NAMESPACE)
    follow(version, 1)
    return steps


def apply():
    """Two managers that want the same field."""
    api = client.CoreV1Api()

    def want(manager, data, **options):
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "applied"},
            "data": data,
        }
        return api.patch_namespaced_config_map(
            "applied",
            NAMESPACE,
            body,
            field_manager=manager,
            _content_type="application/apply-patch+yaml",
            **options,
        )

    one = {"a": "1", "one": "mine"}
    two = {"a": "2", "two": "mine"}
    steps = [f"applied {show(want('one', one))}", refused(want, "two", two)]
    forced = want("two", two, force=True)
    steps.append(f"forced {show(forced)}")
    again = want("two", two)
    same = again.metadata.resource_version == forced.metadata.resource_version
    steps.append(f"unchanged {str(same).lower()}")
    managers = [f"{entry.manager}:{entry.operation}" for entry in again.metadata.managed_fields]
    steps.append(f"managed by {' '.join(managers)}")
    steps.append(f"given up {show(want('two', {'two': 'mine'}))}")
    api.delete_namespaced_config_map("applied", NAMESPACE)
    steps.append("deleted")
    return steps


def informer():
    """Has a cache follow what happens."""
    api = client.CoreV1Api()
    early = configmap("informer", "early", "1")
    api.create_namespaced_config_map(NAMESPACE, early)
    # A client of its own: it is in the middle of an answer all the time.
    cache = SharedInformer(
        client.CoreV1Api(client.ApiClient()).list_namespaced_config_map,
        namespace=NAMESPACE,
        label_selector="scenario=informer",
    )
    events = queue.Queue()
    for kind, text in [(ADDED, "add"), (MODIFIED, "update"), (DELETED, "delete")]:
        cache.add_event_handler(
            kind, lambda o, text=text: events.put(f"{text} {o.metadata.name} {o.data['a']}")
        )
    cache.start()
    steps = [events.get(timeout=60)]
    api.create_namespaced_config_map(NAMESPACE, configmap("informer", "late", "1"))
    steps.append(events.get(timeout=60))
    early.data["a"] = "2"
    api.replace_namespaced_config_map("early", NAMESPACE, early)
    steps.append(events.get(timeout=60))
    api.delete_namespaced_config_map("late", NAMESPACE)
    steps.append(events.get(timeout=60))
    steps.append(f"cached early {cache.cache.get_by_key(f'{NAMESPACE}/early').data['a']}")
    api.delete_namespaced_config_map("early", NAMESPACE)
    steps.append(events.get(timeout=60))
    cache.stop()
    return steps


def expired():
    """Has a cache follow what happens until there is an object `end`, and shows what is in it then."""
    cache = SharedInformer(
        client.CoreV1Api(client.ApiClient()).list_namespaced_config_map,
        namespace=NAMESPACE,
        label_selector="scenario=expired",
    )
    end = threading.Event()
    cache.add_event_handler(ADDED, lambda o: o.metadata.name == "end" and end.set())
    cache.start()
    if not end.wait(timeout=120):
        raise TimeoutError("the end is not seen")
    # It is not stopped: where it has just listed, it does not notice, and would be waited for. Its thread ends with the process.
    return {o.metadata.name: o.data["a"] for o in cache.cache.list()}
