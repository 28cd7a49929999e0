/** Moments (seconds since the epoch) in the reader's own zone and notation. */
const notation = () => {
  const shown = document.documentElement.lang;
  return navigator.languages.find((tag) => tag.startsWith(shown)) ?? shown;
};
const date = (epoch) => new Date(epoch * 1000);

export const shortTime = (epoch) => new Intl.DateTimeFormat(notation(), { timeStyle: 'short' }).format(date(epoch));

/** Date, time and the zone's name, so that nobody wonders whose clock it is. */
export const moment = (epoch) =>
  new Intl.DateTimeFormat(notation(), { weekday: 'long', day: 'numeric', month: 'long', hour: 'numeric', minute: '2-digit', timeZoneName: 'short' }).format(date(epoch));

/** From and until, with the date said once. */
export const span = (from, until) =>
  new Intl.DateTimeFormat(notation(), { weekday: 'long', day: 'numeric', month: 'long', hour: 'numeric', minute: '2-digit', timeZoneName: 'short' }).formatRange(
    date(from),
    date(until),
  );

/** What an `<input type="datetime-local">` says, or null. */
export const chosenTime = (text) => (text ? new Date(text).getTime() / 1000 : null);
