"""Workers that add one to a label of a Deployment at the same time."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from kubernetes import client

from common import NAMESPACE

LABEL = "biz-version"
NAME = "counted"
CONFLICT = 409


def play(workers, attempts):
    """Each worker adds one, in so many attempts; nobody writes before all have read for the first
    time."""
    # A connection for each: the default would make some of them wait for the others' answers.
    configuration = client.Configuration.get_default_copy()
    configuration.connection_pool_maxsize = workers
    with client.ApiClient(configuration) as connection:
        api = client.AppsV1Api(connection)
        api.create_namespaced_deployment(NAMESPACE, deployment())
        everybody_has_read = threading.Barrier(workers, timeout=60)
        try:
            with ThreadPoolExecutor(workers) as pool:
                jobs = [
                    pool.submit(add_one, api, attempts, everybody_has_read)
                    for _ in range(workers)
                ]
                succeeded = sum(job.result() for job in jobs)
            final = int(api.read_namespaced_deployment(NAME, NAMESPACE).metadata.labels[LABEL])
        finally:
            api.delete_namespaced_deployment(NAME, NAMESPACE)
    outcome = {"final": final, "succeeded": succeeded}
    if attempts == 1:
        outcome["conflicts"] = workers - succeeded
    return outcome


def add_one(api, attempts, everybody_has_read):
    """Whether the update got in; what is refused for another reason than a conflict is raised."""
    for attempt in range(attempts):
        current = api.read_namespaced_deployment(NAME, NAMESPACE)
        if attempt == 0:
            everybody_has_read.wait()
        current.metadata.labels[LABEL] = str(int(current.metadata.labels[LABEL]) + 1)
        try:
            api.replace_namespaced_deployment(NAME, NAMESPACE, current)
            return True
        except client.ApiException as error:
            if error.status != CONFLICT:
                raise
        # What client-go's DefaultRetry does: 10 ms and a tenth of it at random.
        time.sleep(0.010 * random.uniform(1.0, 1.1))
    return False


def deployment():
    pod = {"app": NAME}
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name=NAME, labels={LABEL: "100"}),
        spec=client.V1DeploymentSpec(
            selector=client.V1LabelSelector(match_labels=pod),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=pod),
                spec=client.V1PodSpec(containers=[client.V1Container(name="nginx", image="nginx")]),
            ),
        ),
    )
