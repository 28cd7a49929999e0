/** The pages of the house, and whose they are: what a person may not use is not offered to them. The server decides all the same. */
const STAFF = ['agent', 'professional', 'supervisor', 'admin'];
const LEADERS = ['supervisor', 'admin'];

/** `[address, roles]` each; their names are texts `kit.place.…`. */
const PLACES = [
  ['/', STAFF],
  ['/board', LEADERS],
  ['/rooms', STAFF],
  ['/contacts', STAFF],
  ['/bookings', STAFF],
  ['/appointments', STAFF],
  ['/tickets', STAFF],
  ['/articles', STAFF],
  ['/voicemail', STAFF],
  ['/campaigns', STAFF],
  ['/account', STAFF],
  ['/admin', ['admin']],
  ['/rest', ['admin']],
];

/** The pages that this server has. */
const served = (document.body.dataset.pages ?? '').split(' ');

/** The pages for a person of this role: `{address, name}`, in order. */
export const placesFor = (role) =>
  PLACES.filter(([address, roles]) => roles.includes(role) && served.includes(address)).map(([address]) => ({ address, name: `kit.place.${address.slice(1) || 'phone'}` }));

/** Is this the page we are on? */
export const isHere = (address) => location.pathname === address || (address === '/' && location.pathname === '/dial');
