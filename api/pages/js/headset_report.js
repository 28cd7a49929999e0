/**
 * What a headset's buttons say, out of its reports as WebHID gives them: the telephony page (HID Usage Tables 1.5, chapter 14) in, the LED
 * page (chapter 11) out. Nothing here touches a device.
 */
const usage = (page, id) => page * 0x10000 + id;
/** What we read. The hook switch says where it stands; the others say that they were pressed. */
const READ = { [usage(0x0b, 0x20)]: 'hook', [usage(0x0b, 0x2f)]: 'mute', [usage(0x0b, 0x21)]: 'flash', [usage(0x0b, 0x26)]: 'drop' };
/** What we say. */
const SAID = { [usage(0x08, 0x17)]: 'off_hook', [usage(0x08, 0x09)]: 'mute', [usage(0x08, 0x18)]: 'ring', [usage(0x08, 0x20)]: 'hold' };
const LARGEST = 64;

/** The usage of each field of an item, from its list or its range. */
const usageAt = (item, place) => (item.isRange ? Math.min(item.usageMinimum + place, item.usageMaximum) : (item.usages[place] ?? item.usages.at(-1)));

/** Does an array speak of anything we know? */
const knows = (item, names) => Array.from({ length: item.isRange ? item.usageMaximum - item.usageMinimum + 1 : item.usages.length }, (_, place) => usageAt(item, place)).some((each) => names[each]);

/** `{reportId: [{name, at, size, absolute, array, item}]}` of the fields we know, in bits from the report's begin. */
function fieldsOf(collections, kind, names, found = {}) {
  for (const collection of collections) {
    for (const report of collection[kind] ?? []) {
      const known = (found[report.reportId] ??= { fields: [], bits: 0 });
      let at = 0;
      for (const item of report.items ?? []) {
        for (let place = 0; place < item.reportCount; place += 1) {
          const field = { at: at + place * item.reportSize, size: item.reportSize, absolute: item.isAbsolute };
          if (item.isConstant) continue;
          if (item.isArray) knows(item, names) && known.fields.push({ ...field, array: item, names });
          else if (names[usageAt(item, place)]) known.fields.push({ ...field, name: names[usageAt(item, place)] });
        }
        at += item.reportSize * item.reportCount;
      }
      known.bits = Math.max(known.bits, at);
    }
    fieldsOf(collection.children ?? [], kind, names, found);
  }
  return found;
}

function bitsOf(data, at, size) {
  let value = 0;
  for (let bit = 0; bit < size; bit += 1) {
    const place = at + bit;
    if (place >> 3 >= data.byteLength) return 0; // a shorter report than the device promised
    value += ((data.getUint8(place >> 3) >> (place & 7)) & 1) * 2 ** bit;
  }
  return value;
}

/** The layout of a device: what its reports mean. `collections`: of the `HIDDevice`. */
export function layoutOf(collections) {
  return { read: fieldsOf(collections, 'inputReports', READ), said: fieldsOf(collections, 'outputReports', SAID) };
}

/** Has it anything for us? */
export const isTelephone = (layout) => Object.values(layout.read).some(({ fields }) => fields.some(({ name, array }) => name === 'hook' || array));

/** The buttons of one report: `{hook: true, ...}`, with which of them are absolute in `toggles`. */
export function buttonsOf(layout, reportId, data) {
  const pressed = {};
  const relative = new Set();
  for (const field of layout.read[reportId]?.fields ?? []) {
    const value = bitsOf(data, field.at, field.size);
    if (field.array) {
      const name = value >= field.array.logicalMinimum && value <= field.array.logicalMaximum ? field.names[usageAt(field.array, value - field.array.logicalMinimum)] : undefined;
      if (name) pressed[name] = true;
      for (const each of Object.values(field.names)) {
        pressed[each] ??= false;
        relative.add(each); // what an array names is pressed, and let go when it is named no more
      }
    } else pressed[field.name] = value !== 0;
    if (!field.absolute && field.name) relative.add(field.name);
  }
  return { pressed, relative };
}

/**
 * What happened between two reports: `off_hook`, `on_hook`, `mute`, `flash`, `drop`. `before`: buttons as last seen, or null. A hook switch
 * that is relative is a push button: each press is the other way.
 */
export function changes(before, { pressed, relative }) {
  const went = [];
  for (const [name, down] of Object.entries(pressed)) {
    const was = before?.[name] ?? false;
    if (was === down) continue;
    if (name === 'hook' && !relative.has('hook')) went.push(down ? 'off_hook' : 'on_hook');
    else if (name === 'hook') down && went.push('hook_pressed');
    else if (down) went.push(name);
  }
  return went;
}

/** The output reports `[reportId, Uint8Array]` that say `{off_hook, mute, ring, hold}`; what a device has no lamp for is left out. */
export function lampsOf(layout, wanted) {
  const reports = [];
  for (const [reportId, { fields, bits }] of Object.entries(layout.said)) {
    const mine = fields.filter(({ name }) => name !== undefined);
    const length = Math.ceil(bits / 8);
    if (!mine.length || length > LARGEST) continue;
    const data = new Uint8Array(length);
    for (const { name, at } of mine) if (wanted[name]) data[at >> 3] |= 1 << (at & 7);
    reports.push([Number(reportId), data]);
  }
  return reports;
}
