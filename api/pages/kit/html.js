/** Markup in templates: tagged strings become Preact's elements, no build step between. */
import htm from 'htm';
import { h } from 'preact';

export const html = htm.bind(h);
