// What api/pages/rooms/cipher.js does with right keys, and with every wrong one; run by tests/system/test_rooms.py.
async (address) => {
  const it = await import(address);
  const [ana, tom, eve] = await Promise.all(['ana', 'tom', 'eve'].map((who) => it.makeDevice(who, 'test')));
  const shown = (one) => ({ ...one.shown, identity: one.identity });
  const made = await it.makeEpoch(ana, 'room', 1, [shown(ana), shown(tom)]);
  const told = { ...made.sent, package: made.sent.packages[tom.shown.device_id] };
  const got = await it.openEpoch(tom, 'room', told, shown(ana));
  const place = { roomId: 'room', messageId: 'm1', epoch: 1, key: made.key };
  const cipher = await it.seal(ana, place, { text: 'Hola' });
  const message = { roomId: 'room', messageId: 'm1', sender: 'ana', cipher };
  const why = (work) => work.then(() => 'read', (error) => error.code ?? error.name);
  const other = await it.seal(eve, { ...place, key: got.key }, { text: 'I am Ana' });
  const turned = (text, at) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
  const parts = cipher.split('.');
  const resigned = [...parts.slice(0, 4), turned(parts[4], 9), parts[5]].join('.');
  const another = await it.makeEpoch(ana, 'room', 1, [shown(tom)]);
  const swapped = { ...told, package: another.sent.packages[tom.shown.device_id] };
  const file = await it.sealFile(new TextEncoder().encode('a file'));
  const number = (one, two) => it.safetyNumber([one, two].map((each) => ({ identity: each.identity, ids: [each.shown.device_id] })));
  return {
    text: (await it.open(message, shown(ana), got.key)).text,
    sameLength: new Set(await Promise.all(['', 'x'.repeat(99)].map(async (text) => (await it.seal(ana, place, { text })).length))).size,
    extractable: [ana.sign.privateKey, ana.wrap.privateKey, made.key, got.key].map((key) => key.extractable),
    genuine: [await it.isGenuine(shown(ana)), await it.isGenuine({ ...shown(ana), identity: 'eve' }), await it.isGenuine({ ...shown(ana), wrap_key: eve.shown.wrap_key })],
    forOthers: await why(it.openEpoch(eve, 'room', told, shown(ana))),
    otherRoom: await why(it.openEpoch(tom, 'elsewhere', told, shown(ana))),
    otherMaker: await why(it.openEpoch(tom, 'room', told, shown(eve))),
    notSigned: await why(it.openEpoch(tom, 'room', { ...told, signature: cipher.split('.')[5] }, shown(ana))),
    otherKey: await why(it.openEpoch(tom, 'room', swapped, shown(ana))),
    mayWriteUnder: await Promise.all([
      it.isFor(got, [tom.shown.device_id, ana.shown.device_id]),
      it.isFor(got, [tom.shown.device_id]),
      it.isFor(got, [tom, ana, eve].map((one) => one.shown.device_id)),
      it.isFor({ ...got, by: eve.shown.device_id }, [tom.shown.device_id, ana.shown.device_id]),
    ]),
    same: [it.isSame(shown(ana), shown(ana)), it.isSame(shown(ana), { ...shown(ana), sign_key: eve.shown.sign_key })],
    impostor: await why(it.open({ ...message, cipher: other }, shown(eve), got.key)),
    impostorsDevice: await why(it.open({ ...message, cipher: other }, { ...shown(eve), identity: 'ana', device_id: ana.shown.device_id }, got.key)),
    otherPlace: await why(it.open({ ...message, messageId: 'm2' }, shown(ana), got.key)),
    damaged: await why(it.open({ ...message, cipher: resigned }, shown(ana), got.key)),
    otherEpochsKey: await why(it.open(message, shown(ana), another.key)),
    file: new TextDecoder().decode(await it.openFile(file.sealed, file)),
    damagedFile: await why(it.openFile(file.sealed.slice(1), file)),
    numbers: [(await number(ana, tom)).join() === (await number(tom, ana)).join(), (await number(ana, tom)).join() === (await number(ana, eve)).join()],
  };
}
