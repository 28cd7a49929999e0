/** This page's pictures: 24 x 24 line drawings. They never stand alone as the only meaning. */
import { html } from '../js/views/html.js';

const PATHS = {
  back: ['M15 5l-7 7 7 7'],
  plus: ['M12 5v14', 'M5 12h14'],
  people: ['M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z', 'M2.500 20c0-3.600 2.900-6 6.500-6s6.500 2.400 6.500 6', 'M16 4.500a3.300 3.300 0 0 1 0 6.300', 'M18 14.500c2.100.800 3.500 2.700 3.500 5.500'],
  group: ['M4 5h16v11H9l-5 4z'],
  meeting: ['M3 7h12v10H3z', 'M15 11l6-3v8l-6-3z'],
  lock: ['M6 11h12v9H6z', 'M8.500 11V8a3.500 3.500 0 0 1 7 0v3'],
  send: ['M4 12l16-8-6 16-3-7z'],
  clip: ['M20 11l-8.500 8.500a5 5 0 0 1-7-7L13 4a3.300 3.300 0 0 1 4.700 4.700l-8.500 8.500a1.600 1.600 0 0 1-2.300-2.300L14.500 7.500'],
  smile: ['M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17z', 'M8.500 14c.800 1.500 2 2.300 3.500 2.300s2.700-.800 3.500-2.300', 'M9 9.500h.01', 'M15 9.500h.01'],
  reply: ['M10 6l-6 5 6 5v-3.500c5 0 8 1.500 10 5-.500-6-4-9-10-9z'],
  edit: ['M4 20l1-5L16 4l4 4L9 19z'],
  erase: ['M5 7h14', 'M10 4h4', 'M7 7l1 13h8l1-13'],
  hand: ['M8 13V6a1.500 1.500 0 0 1 3 0v5', 'M11 10V4.500a1.500 1.500 0 0 1 3 0V11', 'M14 7a1.500 1.500 0 0 1 3 0v7c0 4-2 6.500-5.500 6.500S6.500 19 4.500 15c-.600-1.500 1-2.500 2-1.300L8 15'],
  close: ['M6 6l12 12', 'M18 6L6 18'],
  warning: ['M12 4l9 16H3z', 'M12 10v4', 'M12 17h.01'],
  file: ['M6 3h8l4 4v14H6z', 'M14 3v4h4'],
  leave: ['M14 4h5v16h-5', 'M4 12h10', 'M10 8l4 4-4 4'],
  keyboard: ['M3 6h18v12H3z', 'M7 10h.01', 'M11 10h.01', 'M15 10h.01', 'M8 14h8'],
};

export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${PATHS[name].map((path) => html`<path d=${path} />`)}</svg>
`;
