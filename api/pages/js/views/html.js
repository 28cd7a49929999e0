/** The kit's template tag. */
export { html } from '../../kit/html.js';
