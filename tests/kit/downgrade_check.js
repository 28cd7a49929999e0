// What the page makes of a server that says a room is encrypted no more, and the server of words in the clear.
async (at) => {
  const [{ remembered }, { rooms }, { ask }] = await Promise.all(['seals', 'desk'].map((name) => import(`${at}${name}.js`)).concat(import(`${at}../js/link.js`)));
  const room = [...rooms.value.values()].find((each) => each.encrypted);
  const refused = await ask('chat.message', { room_id: room.room_id, message_id: 'x', text: 'in the clear' }).catch((refusal) => refusal.code);
  return [remembered({ ...room, encrypted: false }).encrypted, refused];
}
