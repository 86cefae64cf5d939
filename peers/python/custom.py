"""Custom resources."""

from kubernetes import client, watch

from common import NAMESPACE, refused

GROUP, VERSION, PLURAL = "peers.example.com", "v1", "widgets"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": PLURAL, "kind": "Widget"},
        "versions": [
            {
                "name": VERSION,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1, "default": 3}
                                },
                            },
                            "status": {
                                "type": "object",
                                "properties": {"ready": {"type": "boolean"}},
                            },
                        },
                    }
                },
            }
        ],
    },
}


def widget(name, spec):
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }


def show(object):
    ready = str(object.get("status", {}).get("ready", False)).lower()
    generation = object["metadata"]["generation"]
    return f"size={object['spec']['size']} ready={ready} generation={generation}"


def established(event):
    conditions = event["object"].status.conditions or []
    return any(c.type == "Established" and c.status == "True" for c in conditions)


def gone(event):
    return event["type"] == "DELETED"


def wait_for(definitions, version, enough):
    """Watches the definition from a version on until enough says so; 0 is from what there is."""
    watching = watch.Watch()
    events = watching.stream(
        definitions.list_custom_resource_definition,
        field_selector=f"metadata.name={PLURAL}.{GROUP}",
        resource_version=version,
    )
    for event in events:
        if enough(event):
            watching.stop()


def play():
    definitions = client.ApiextensionsV1Api()
    api = client.CustomObjectsApi()
    place = (GROUP, VERSION, NAMESPACE, PLURAL)
    steps = []
    installed = definitions.create_custom_resource_definition(DEFINITION)
    wait_for(definitions, "0", established)
    steps.append("established")
    made = api.create_namespaced_custom_object(*place, widget("w", {}))
    steps.append(f"created {show(made)}")
    steps.append(refused(api.create_namespaced_custom_object, *place, widget("x", {"size": 0})))
    made["status"] = {"ready": True}
    made["spec"] = {"size": 9}
    ready = api.replace_namespaced_custom_object_status(*place, "w", made)
    steps.append(f"status {show(ready)}")
    steps.append(refused(api.replace_namespaced_custom_object, *place, "w", made))
    merged = api.patch_namespaced_custom_object(
        *place, "w", {"spec": {"size": 5}}, _content_type="application/merge-patch+json"
    )
    steps.append(f"merge {show(merged)}")
    applied = api.patch_namespaced_custom_object(
        *place,
        "w",
        widget("w", {"size": 6}),
        field_manager="one",
        force=True,
        _content_type="application/apply-patch+yaml",
    )
    steps.append(f"apply {show(applied)}")
    definitions.delete_custom_resource_definition(installed.metadata.name)
    steps.append("definition deleted")
    wait_for(definitions, installed.metadata.resource_version, gone)
    steps.append("definition gone")
    try:
        api.get_namespaced_custom_object(*place, "w")
    except client.ApiException as error:
        # It answers without a Status now.
        steps.append(f"served no more: {str(error.status == 404).lower()}")
    return steps
