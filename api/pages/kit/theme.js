/** Light, dark, high contrast, or as the system says. */
import { signal } from '@preact/signals';

const KEPT = 'centralita.theme';

export const THEMES = ['system', 'light', 'dark', 'contrast'];
export const theme = signal(localStorage.getItem(KEPT) ?? 'system');

export function setTheme(name) {
  localStorage.setItem(KEPT, name);
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  theme.value = name;
}

setTheme(THEMES.includes(theme.peek()) ? theme.peek() : 'system');
