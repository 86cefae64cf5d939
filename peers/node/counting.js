// Workers that add one to a label of a Deployment at the same time.

import { setTimeout as pause } from 'node:timers/promises';

import { ApiException, AppsV1Api } from '@kubernetes/client-node';

import { namespace } from './common.js';

const label = 'biz-version';
const name = 'counted';
const CONFLICT = 409;

/** Lets nobody pass before all have arrived. */
function barrier(parties) {
  const { promise, resolve } = withResolvers();
  let missing = parties;
  return () => {
    missing -= 1;
    if (missing === 0) resolve();
    return promise;
  };
}

/** Promise.withResolvers is newer than the oldest Node that this runs on. */
function withResolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/**
 * Each worker adds one, in so many attempts; nobody writes before all have read for the first
 * time.
 */
export async function count(config, workers, attempts) {
  const api = config.makeApiClient(AppsV1Api);
  await api.createNamespacedDeployment({ namespace, body: deployment() });
  try {
    const everybodyHasRead = barrier(workers);
    const results = await Promise.all(
      Array.from({ length: workers }, () => addOne(api, attempts, everybodyHasRead)),
    );
    const last = await api.readNamespacedDeployment({ name, namespace });
    const succeeded = results.filter((result) => result).length;
    const outcome = { final: Number(last.metadata.labels[label]), succeeded };
    return attempts === 1 ? { ...outcome, conflicts: workers - succeeded } : outcome;
  } finally {
    await api.deleteNamespacedDeployment({ name, namespace });
  }
}

/** Whether the update got in; what is refused for another reason than a conflict is thrown. */
async function addOne(api, attempts, everybodyHasRead) {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const body = await api.readNamespacedDeployment({ name, namespace });
    if (attempt === 1) await everybodyHasRead();
    body.metadata.labels[label] = String(Number(body.metadata.labels[label]) + 1);
    try {
      await api.replaceNamespacedDeployment({ name, namespace, body });
      return true;
    } catch (error) {
      if (!(error instanceof ApiException) || error.code !== CONFLICT) throw error;
    }
    // What client-go's DefaultRetry does: 10 ms and a tenth of it at random.
    await pause(10 + Math.random());
  }
  return false;
}

function deployment() {
  const labels = { app: name };
  return {
    metadata: { name, labels: { [label]: '100' } },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'nginx', image: 'nginx' }] },
      },
    },
  };
}
