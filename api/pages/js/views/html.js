/** The template tag of all views. */
import { h } from 'preact';
import htm from 'htm';

export const html = htm.bind(h);
