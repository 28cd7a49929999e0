/** The kit's pictures. */
export { Icon } from '../../kit/icon.js';
