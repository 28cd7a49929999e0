/** Keys and what is known of others' devices, in this browser alone (IndexedDB). Private keys lie there as things that cannot be read out. */

const NAME = 'centralita.keys';
const STORES = ['devices', 'epochs', 'known', 'people'];

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => STORES.forEach((store) => request.result.createObjectStore(store));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function within(store, mode, work) {
  const transaction = (await database()).transaction(store, mode);
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  const result = await settled(work(transaction.objectStore(store)));
  await done;
  return result;
}

export const get = (store, key) => within(store, 'readonly', (in_) => in_.get(key));
export const put = (store, key, value) => within(store, 'readwrite', (in_) => in_.put(value, key));
export const remove = (store, key) => within(store, 'readwrite', (in_) => in_.delete(key));

/** All values whose key is an array that begins with these parts. */
export const under = (store, ...parts) => within(store, 'readonly', (in_) => in_.getAll(IDBKeyRange.bound(parts, [...parts, []])));
/** Forget all of them. */
export const removeUnder = (store, ...parts) => within(store, 'readwrite', (in_) => in_.delete(IDBKeyRange.bound(parts, [...parts, []])));
