/** The bar's pictures: 24 x 24 line drawings. They never stand alone as the only meaning. */
const SVG = 'http://www.w3.org/2000/svg';
const PATHS = {
  microphone: ['M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3z', 'M5.5 11a6.5 6.5 0 0 0 13 0', 'M12 17.5V21'],
  camera: ['M3 7h12v10H3z', 'M15 11l6-3v8l-6-3z'],
  screen: ['M3 5h18v11H3z', 'M8 20h8', 'M12 16v4'],
  hand: ['M7 12V6.500a1.500 1.500 0 0 1 3 0V11', 'M10 11V4.500a1.500 1.500 0 0 1 3 0V11', 'M13 11V5.500a1.500 1.500 0 0 1 3 0V12', 'M16 9.500a1.500 1.500 0 0 1 3 0V14a7 7 0 0 1-7 7c-3 0-4.500-1.500-6-4l-2-4c1-1.500 2.500-.5 3 1'],
  react: ['M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17z', 'M8.500 14a4 4 0 0 0 7 0', 'M9 9.500h.01', 'M15 9.500h.01'],
  chat: ['M4 5h16v11H10l-5 4v-4H4z'],
  people: ['M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6z', 'M3 19a6 6 0 0 1 12 0', 'M16 5.500a3 3 0 0 1 0 5.500', 'M17.500 14a6 6 0 0 1 3.500 5'],
  itinerary: ['M6 4.500a2 2 0 1 1 0 4 2 2 0 0 1 0-4z', 'M18 15.500a2 2 0 1 1 0 4 2 2 0 0 1 0-4z', 'M6 8.500V14a3.500 3.500 0 0 0 3.500 3.500H16', 'M12 6.500h8', 'M15 11h5'],
  more: ['M5 12h.01', 'M12 12h.01', 'M19 12h.01'],
  captions: ['M3 5h18v14H3z', 'M10 10.500a2.200 2.200 0 1 0 0 3', 'M17 10.500a2.200 2.200 0 1 0 0 3'],
  saver: ['M4 10v4h4l5 4V6L8 10z', 'M17 9a4 4 0 0 1 0 6'],
  'larger-room': ['M3 18l5-12 5 12', 'M4.700 14h6.600', 'M15 18l3-7 3 7', 'M16 15.500h4'],
  'call-me': ['M7.2 3.8l2.6.3 1.3 3.700-2 1.800c1 2.100 2.600 3.800 4.800 4.900l1.900-2 3.700 1.400.300 2.600c.100 1.300-.900 2.300-2.200 2.200C10.300 18.200 5.400 13.300 5 6 4.900 4.700 5.900 3.700 7.200 3.800z'],
  leave: ['M14 4h5v16h-5', 'M4 12h10', 'M10 8l4 4-4 4'],
};
const SAME = { 'try-microphone': 'microphone', 'try-camera': 'camera' };

/** Put its picture into every button that has one. */
export function drawIcons() {
  for (const button of document.querySelectorAll('button[data-do]')) {
    const paths = PATHS[SAME[button.dataset.do] ?? button.dataset.do];
    if (!paths || !button.querySelector('span')) continue;
    const svg = document.createElementNS(SVG, 'svg');
    for (const [name, value] of Object.entries({ class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' })) svg.setAttribute(name, value);
    for (const drawn of paths) {
      const path = document.createElementNS(SVG, 'path');
      path.setAttribute('d', drawn);
      svg.append(path);
    }
    button.prepend(svg);
  }
}
