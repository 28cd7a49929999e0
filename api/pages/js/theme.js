/** The kit's theme. */
export { setTheme, THEMES, theme } from '../kit/theme.js';
