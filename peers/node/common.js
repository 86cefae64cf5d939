// What the scenarios share.

import { ApiException, setHeaderOptions } from '@kubernetes/client-node';

export const namespace = 'default';

/** The code and the reason of the Status that a promise is refused with. */
export async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    return `${error.code} ${statusOf(error).reason}`;
  }
  throw new Error('this should have been refused');
}

/** The client parses a body only where it knows the type. */
function statusOf(error) {
  return typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
}

/** Options of a patch of this media type. */
export function patchAs(mediaType) {
  return setHeaderOptions('Content-Type', mediaType);
}
