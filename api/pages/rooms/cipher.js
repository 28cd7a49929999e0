/**
 * How an encrypted room's words are made unreadable to all but the devices of its people. No network, no storage: keys in, bytes out.
 *
 * A device has two pairs of keys, whose private halves the browser never gives out: one signs (ECDSA), one receives keys (ECDH), both over
 * P-256. A room's key (AES-256-GCM) lives for one epoch: until somebody, or a device, comes or goes. Who makes it wraps it for each device
 * (HPKE, RFC 9180: DHKEM(P-256), HKDF-SHA256, AES-256-GCM) and signs what they announce. Each message is bound to its room, its id, its
 * epoch, its sender and their device, and signed by that device, so that no member can speak for another.
 */
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';

const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNED = { name: 'ECDSA', hash: 'SHA-256' };
const NONCE_BYTES = 12;
/** Words are filled up to a multiple of this, so that their length tells less. */
const PAD_BYTES = 160;
const ID_BYTES = 24;
const GROUPS = 12;

const encode = (text) => new TextEncoder().encode(text);
const decode = (bytes) => new TextDecoder().decode(bytes);

/** Something is not what it says it is, or not for us. `code` is worded for the person. */
export class Unreadable extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

export function toText(bytes) {
  let binary = '';
  for (const byte of new Uint8Array(bytes)) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function toBytes(text) {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Unreadable('damaged');
  }
}

function readJson(bytes) {
  try {
    return JSON.parse(decode(bytes));
  } catch {
    throw new Unreadable('damaged');
  }
}

/** Parts that no other parts can be mistaken for, as bytes. */
const bound = (...parts) => encode(JSON.stringify(parts));
const joined = (...arrays) => Uint8Array.from(arrays.flatMap((each) => [...new Uint8Array(each)]));
const digest = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

// --- devices ------------------------------------------------------------------------------------------------------------------------

const deviceIdOf = async (signKey, wrapKey) => toText((await digest(joined(toBytes(signKey), toBytes(wrapKey)))).slice(0, ID_BYTES));
const ownWords = (identity, device) => bound('centralita device 1', identity, device.device_id, device.sign_key, device.wrap_key);

/** A new device of this person: its private keys cannot be taken out of this browser. `shown` is what others may know. */
export async function makeDevice(identity, label) {
  const sign = await crypto.subtle.generateKey(CURVE, false, ['sign', 'verify']);
  const wrap = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits']);
  const [signKey, wrapKey] = await Promise.all([sign, wrap].map(async (pair) => toText(await crypto.subtle.exportKey('raw', pair.publicKey))));
  const shown = { device_id: await deviceIdOf(signKey, wrapKey), label, sign_key: signKey, wrap_key: wrapKey };
  shown.signature = toText(await crypto.subtle.sign(SIGNED, sign.privateKey, ownWords(identity, shown)));
  return { identity, sign, wrap, shown };
}

async function verifies(signKey, signature, bytes) {
  try {
    const key = await crypto.subtle.importKey('raw', toBytes(signKey), CURVE, false, ['verify']);
    return await crypto.subtle.verify(SIGNED, key, toBytes(signature), bytes);
  } catch {
    return false; // no key, or no text of bytes
  }
}

/** Is what is told of a device now what we know of it? */
export const isSame = (known, told) => ['device_id', 'identity', 'sign_key', 'wrap_key'].every((name) => known[name] === told[name]);

/** Is this device what it is called by, and does it say itself whose it is? */
export async function isGenuine(device) {
  if (!(await verifies(device.sign_key, device.signature, ownWords(device.identity, device)))) return false;
  return (await deviceIdOf(device.sign_key, device.wrap_key).catch(() => '')) === device.device_id;
}

// --- epochs -------------------------------------------------------------------------------------------------------------------------

const usable = (raw) => crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
const readersOf = async (ids) => toText(await digest(bound('centralita readers 1', ...[...ids].sort())));
const wrapInfo = (announcement) => bound('centralita room key 1', announcement);

/** A new key for these devices, as `room.key` sends it, and as we keep it. */
export async function makeEpoch(mine, roomId, epoch, devices) {
  const raw = crypto.getRandomValues(new Uint8Array(32));
  const commitment = toText(await digest(joined(encode('centralita commitment 1'), raw)));
  const words = { v: 1, room: roomId, epoch, by: mine.shown.device_id, readers: await readersOf(devices.map((each) => each.device_id)), commitment };
  const announcement = toText(encode(JSON.stringify(words)));
  const packages = {};
  for (const device of devices) {
    const recipientPublicKey = await suite.kem.deserializePublicKey(toBytes(device.wrap_key));
    const sender = await suite.createSenderContext({ recipientPublicKey, info: wrapInfo(announcement) });
    packages[device.device_id] = `${toText(sender.enc)}.${toText(await sender.seal(raw, encode(device.device_id)))}`;
  }
  const signature = toText(await crypto.subtle.sign(SIGNED, mine.sign.privateKey, bound('centralita epoch 1', announcement)));
  const key = await usable(raw);
  raw.fill(0);
  const sent = { room_id: roomId, epoch, device_id: mine.shown.device_id, announcement, signature, packages };
  return { sent, key, readers: words.readers, by: words.by };
}

/** The key of an epoch that `by` announced, unwrapped for us. Raises `Unreadable`. */
export async function openEpoch(mine, roomId, told, by) {
  const words = readJson(toBytes(told.announcement));
  if (words.v !== 1 || words.room !== roomId || words.epoch !== told.epoch || words.by !== by.device_id) throw new Unreadable('damaged');
  if (!(await verifies(by.sign_key, told.signature, bound('centralita epoch 1', told.announcement)))) throw new Unreadable('forged');
  const [enc, sealed] = told.package.split('.');
  let raw;
  try {
    const recipient = await suite.createRecipientContext({ recipientKey: mine.wrap, enc: toBytes(enc).buffer, info: wrapInfo(told.announcement) });
    raw = new Uint8Array(await recipient.open(toBytes(sealed), encode(mine.shown.device_id)));
  } catch {
    throw new Unreadable('damaged');
  }
  if (toText(await digest(joined(encode('centralita commitment 1'), raw))) !== words.commitment) throw new Unreadable('forged');
  const key = await usable(raw);
  raw.fill(0);
  return { key, readers: words.readers, by: words.by };
}

/**
 * May one write under this epoch's key? It was made for exactly these devices, and by one of them: a key that a stranger made, the server
 * for one, is known to that stranger.
 */
export const isFor = async ({ readers, by }, ids) => ids.includes(by) && readers === (await readersOf(ids));

// --- messages -----------------------------------------------------------------------------------------------------------------------

const place = (roomId, messageId, epoch, identity, deviceId) => bound('centralita message 1', roomId, messageId, epoch, identity, deviceId);

/** What `chat.message` takes as `cipher`. `body`: anything that JSON can say. */
export async function seal(mine, { roomId, messageId, epoch, key }, body) {
  const words = encode(JSON.stringify(body));
  const filled = new Uint8Array(Math.ceil(words.length / PAD_BYTES) * PAD_BYTES).fill(0x20);
  filled.set(words);
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const where = place(roomId, messageId, epoch, mine.identity, mine.shown.device_id);
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData: where }, key, filled);
  const signature = await crypto.subtle.sign(SIGNED, mine.sign.privateKey, joined(where, nonce, sealed));
  return ['1', epoch, mine.shown.device_id, toText(nonce), toText(sealed), toText(signature)].join('.');
}

/** Of a sealed message: by which device, for which epoch. */
export function outsideOf(cipher) {
  const [version, epoch, deviceId, nonce, sealed, signature] = cipher.split('.');
  if (version !== '1' || !signature) throw new Unreadable('damaged');
  return { epoch: Number(epoch), deviceId, nonce, sealed, signature };
}

/** What somebody said. `device` is the sender's, `key` the epoch's. Raises `Unreadable`. */
export async function open({ roomId, messageId, sender, cipher }, device, key) {
  const { epoch, deviceId, nonce, sealed, signature } = outsideOf(cipher);
  if (device.device_id !== deviceId || device.identity !== sender) throw new Unreadable('forged');
  const where = place(roomId, messageId, epoch, sender, deviceId);
  if (!(await verifies(device.sign_key, signature, joined(where, toBytes(nonce), toBytes(sealed))))) throw new Unreadable('forged');
  try {
    const filled = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: toBytes(nonce), additionalData: where }, key, toBytes(sealed));
    return JSON.parse(decode(filled));
  } catch {
    throw new Unreadable('damaged');
  }
}

// --- files --------------------------------------------------------------------------------------------------------------------------

/** A file under a key of its own, which travels in its message. */
export async function sealFile(bytes) {
  const raw = crypto.getRandomValues(new Uint8Array(32));
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, await usable(raw), bytes);
  return { sealed, key: toText(raw), nonce: toText(nonce) };
}

/** Raises `Unreadable`. */
export async function openFile(sealed, { key, nonce }) {
  try {
    return await crypto.subtle.decrypt({ name: 'AES-GCM', iv: toBytes(nonce) }, await usable(toBytes(key)), sealed);
  } catch {
    throw new Unreadable('damaged');
  }
}

// --- who is who ---------------------------------------------------------------------------------------------------------------------

/** Sixty digits that two people compare: the same at both where the server gave each the other's own keys. `people`: two `{identity, ids}`. */
export async function safetyNumber(people) {
  const lines = people.map(({ identity, ids }) => JSON.stringify([identity, ...[...ids].sort()])).sort();
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-512', bound('centralita safety number 1', ...lines)));
  return Array.from({ length: GROUPS }, (_, at) => {
    const value = hash.slice(at * 5, at * 5 + 5).reduce((sum, byte) => sum * 256 + byte, 0);
    return String(value % 100_000).padStart(5, '0');
  });
}
