// Custom resources.

import {
  ApiException,
  ApiextensionsV1Api,
  CustomObjectsApi,
  PatchStrategy,
  Watch,
} from '@kubernetes/client-node';

import { namespace, patchAs, refused } from './common.js';

const [group, version, plural] = ['peers.example.com', 'v1', 'widgets'];
const definition = {
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural, kind: 'Widget' },
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: { size: { type: 'integer', minimum: 1, _default: 3 } },
              },
              status: { type: 'object', properties: { ready: { type: 'boolean' } } },
            },
          },
        },
      },
    ],
  },
};

function widget(name, spec) {
  return { apiVersion: `${group}/${version}`, kind: 'Widget', metadata: { name }, spec };
}

function show({ spec, status, metadata }) {
  return `size=${spec.size} ready=${status?.ready ?? false} generation=${metadata.generation}`;
}

function established(type, object) {
  const conditions = object.status?.conditions ?? [];
  return conditions.some((c) => c.type === 'Established' && c.status === 'True');
}

function gone(type) {
  return type === 'DELETED';
}

/** Watches the definition from a version on until `enough` says so; 0 is from what there is. */
function waitFor(config, resourceVersion, enough) {
  return new Promise((resolve, reject) => {
    let found = false;
    const started = new Watch(config).watch(
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      { fieldSelector: `metadata.name=${definition.metadata.name}`, resourceVersion },
      async (type, object) => {
        if (found || !enough(type, object)) return;
        found = true;
        (await started).abort();
      },
      (error) => (found ? resolve() : reject(error ?? new Error('the watch ended'))),
    );
  });
}

/** Installs a definition, works with its objects, and takes both away. */
export async function custom(config) {
  const definitions = config.makeApiClient(ApiextensionsV1Api);
  const api = config.makeApiClient(CustomObjectsApi);
  const place = { group, version, namespace, plural };
  const steps = [];
  const installed = await definitions.createCustomResourceDefinition({ body: definition });
  await waitFor(config, '0', established);
  steps.push('established');
  const create = (body) => api.createNamespacedCustomObject({ ...place, body });
  const w = { ...place, name: 'w' };
  const made = await create(widget('w', {}));
  steps.push(`created ${show(made)}`);
  steps.push(await refused(create(widget('x', { size: 0 }))));
  const body = { ...made, spec: { size: 9 }, status: { ready: true } };
  const ready = await api.replaceNamespacedCustomObjectStatus({ ...w, body });
  steps.push(`status ${show(ready)}`);
  steps.push(await refused(api.replaceNamespacedCustomObject({ ...w, body })));
  const merged = await api.patchNamespacedCustomObject(
    { ...w, body: { spec: { size: 5 } } },
    patchAs(PatchStrategy.MergePatch),
  );
  steps.push(`merge ${show(merged)}`);
  const applied = await api.patchNamespacedCustomObject(
    { ...w, fieldManager: 'one', force: true, body: widget('w', { size: 6 }) },
    patchAs(PatchStrategy.ServerSideApply),
  );
  steps.push(`apply ${show(applied)}`);
  await definitions.deleteCustomResourceDefinition({ name: definition.metadata.name });
  steps.push('definition deleted');
  await waitFor(config, installed.metadata.resourceVersion, gone);
  steps.push('definition gone');
  try {
    await api.getNamespacedCustomObject(w);
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    // It answers without a Status now.
    steps.push(`served no more: ${error.code === 404}`);
  }
  return steps;
}
