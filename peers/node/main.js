// Plays the scenarios of peers/README.md on the JavaScript client.
//
// The client has no helper for conflicts: the loop is in counting.js.

import { KubeConfig } from '@kubernetes/client-node';

import { apply, crud, expired, informer, watchAgain } from './configmaps.js';
import { count } from './counting.js';
import { custom } from './custom.js';

const scenarios = {
  once: (config) => count(config, 5, 1),
  retry: (config) => count(config, 5, 10),
  crud,
  watch: watchAgain,
  apply,
  informer,
  expired,
  custom,
};

const config = new KubeConfig();
config.loadFromDefault();
for (const scenario of process.argv.slice(2)) {
  const outcome = await scenarios[scenario](config);
  console.log(JSON.stringify({ scenario, outcome }));
}
// An informer that was answered with 410 has a watch that it does not stop.
process.exit(0);
