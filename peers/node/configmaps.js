// Scenarios on ConfigMaps.

import { EventEmitter, once } from 'node:events';

import { CoreV1Api, makeInformer, PatchStrategy, Watch } from '@kubernetes/client-node';

import { namespace, patchAs, refused } from './common.js';

const path = `/api/v1/namespaces/${namespace}/configmaps`;

function configMap(scenario, name, value) {
  return { metadata: { name, labels: { scenario } }, data: { a: value } };
}

function show(object) {
  return Object.entries(object.data)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(' ');
}

/** Creates, reads, updates, patches, lists and deletes. */
export async function crud(config) {
  const api = config.makeApiClient(CoreV1Api);
  const name = 'crud';
  const steps = [];
  const body = configMap('crud', name, '1');
  steps.push(`created ${show(await api.createNamespacedConfigMap({ namespace, body }))}`);
  steps.push(await refused(api.createNamespacedConfigMap({ namespace, body })));
  const read = await api.readNamespacedConfigMap({ name, namespace });
  steps.push(`read ${show(read)}`);
  const changed = { ...read, data: { a: '2' } };
  const updated = await api.replaceNamespacedConfigMap({ name, namespace, body: changed });
  steps.push(`updated ${show(updated)}`);
  steps.push(await refused(api.replaceNamespacedConfigMap({ name, namespace, body: read })));
  for (const [kind, mediaType, patch] of [
    ['merge', PatchStrategy.MergePatch, { data: { b: '3' } }],
    ['json', PatchStrategy.JsonPatch, [{ op: 'remove', path: '/data/a' }]],
    ['strategic', PatchStrategy.StrategicMergePatch, { data: { b: null, c: '4' } }],
  ]) {
    const options = patchAs(mediaType);
    const patched = await api.patchNamespacedConfigMap({ name, namespace, body: patch }, options);
    steps.push(`${kind} ${show(patched)}`);
  }
  const list = await api.listNamespacedConfigMap({ namespace, labelSelector: 'scenario=crud' });
  for (const item of list.items) steps.push(`listed ${item.metadata.name}`);
  await api.deleteNamespacedConfigMap({ name, namespace });
  steps.push('deleted');
  steps.push(await refused(api.readNamespacedConfigMap({ name, namespace })));
  return steps;
}

/** Watches, stops, and goes on from the last version that it has seen. */
export async function watchAgain(config) {
  const api = config.makeApiClient(CoreV1Api);
  const labelSelector = 'scenario=watch';
  const steps = [];

  /** Notes so many events from a version on, and returns the version of the last one. */
  function follow(resourceVersion, count) {
    return new Promise((resolve, reject) => {
      let version = resourceVersion;
      let controller;
      const started = new Watch(config).watch(
        path,
        { labelSelector, resourceVersion },
        async (type, object) => {
          if (count === 0) return;
          count -= 1;
          steps.push(`${type} ${object.metadata.name} ${object.data.a}`);
          version = object.metadata.resourceVersion;
          if (count === 0) {
            controller = await started;
            controller.abort();
          }
        },
        (error) => (count === 0 ? resolve(version) : reject(error ?? new Error('the watch ended'))),
      );
    });
  }

  const create = (body) => api.createNamespacedConfigMap({ namespace, body });
  const replace = (body) =>
    api.replaceNamespacedConfigMap({ name: body.metadata.name, namespace, body });
  const list = await api.listNamespacedConfigMap({ namespace, labelSelector });
  await create(configMap('watch', 'first', '1'));
  await replace(configMap('watch', 'first', '2'));
  let version = await follow(list.metadata.resourceVersion, 2);

  await replace(configMap('watch', 'first', '3'));
  await create(configMap('watch', 'second', '1'));
  await api.deleteNamespacedConfigMap({ name: 'first', namespace });
  version = await follow(version, 3);

  await api.deleteNamespacedConfigMap({ name: 'second', namespace });
  await follow(version, 1);
  return steps;
}

/** Two managers that want the same field. */
export async function apply(config) {
  const api = config.makeApiClient(CoreV1Api);
  const name = 'applied';
  const want = (fieldManager, data, force) =>
    api.patchNamespacedConfigMap(
      {
        name,
        namespace,
        fieldManager,
        force,
        body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data },
      },
      patchAs(PatchStrategy.ServerSideApply),
    );
  const one = { a: '1', one: 'mine' };
  const two = { a: '2', two: 'mine' };
  const steps = [];
  steps.push(`applied ${show(await want('one', one))}`);
  steps.push(await refused(want('two', two)));
  const forced = await want('two', two, true);
  steps.push(`forced ${show(forced)}`);
  const again = await want('two', two);
  steps.push(`unchanged ${again.metadata.resourceVersion === forced.metadata.resourceVersion}`);
  const managers = again.metadata.managedFields.map((e) => `${e.manager}:${e.operation}`);
  steps.push(`managed by ${managers.join(' ')}`);
  steps.push(`given up ${show(await want('two', { two: 'mine' }))}`);
  await api.deleteNamespacedConfigMap({ name, namespace });
  steps.push('deleted');
  return steps;
}

/** Has a cache follow what happens. */
export async function informer(config) {
  const api = config.makeApiClient(CoreV1Api);
  const labelSelector = 'scenario=informer';
  const steps = [];
  const events = new EventEmitter();
  const early = configMap('informer', 'early', '1');
  await api.createNamespacedConfigMap({ namespace, body: early });
  const list = () => api.listNamespacedConfigMap({ namespace, labelSelector });
  const cache = makeInformer(config, path, list, labelSelector);
  for (const kind of ['add', 'update', 'delete']) {
    cache.on(kind, (o) => events.emit('event', `${kind} ${o.metadata.name} ${o.data.a}`));
  }
  const fail = (error) => events.emit('error', error);
  cache.on('error', fail);

  /** Does something and waits for the event that it leads to. */
  async function expect(act) {
    const event = once(events, 'event');
    await act();
    const [text] = await event;
    steps.push(text);
  }
  await expect(() => cache.start());
  await expect(() =>
    api.createNamespacedConfigMap({ namespace, body: configMap('informer', 'late', '1') }),
  );
  early.data.a = '2';
  await expect(() => api.replaceNamespacedConfigMap({ name: 'early', namespace, body: early }));
  await expect(() => api.deleteNamespacedConfigMap({ name: 'late', namespace }));
  steps.push(`cached early ${cache.get('early', namespace).data.a}`);
  await expect(() => api.deleteNamespacedConfigMap({ name: 'early', namespace }));
  // Being stopped is an error to it too.
  cache.off('error', fail);
  await cache.stop();
  return steps;
}

/** Has a cache follow what happens until there is an object `end`, and shows what is in it then. */
export async function expired(config) {
  const api = config.makeApiClient(CoreV1Api);
  const labelSelector = 'scenario=expired';
  const list = () => api.listNamespacedConfigMap({ namespace, labelSelector });
  const cache = makeInformer(config, path, list, labelSelector);
  // An informer that has met an error is started again by whoever uses it.
  let timer;
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(() => cache.start(), 100);
  };
  cache.on('error', restart);
  const end = new Promise((resolve) => {
    cache.on('add', (o) => o.metadata.name === 'end' && resolve());
  });
  await cache.start();
  await end;
  cache.off('error', restart);
  clearTimeout(timer);
  await cache.stop();
  return Object.fromEntries(cache.list().map((o) => [o.metadata.name, o.data.a]));
}
