/* Before anything is painted: the theme and the language that were chosen, so that no page flashes white or speaks another one first. */
(() => {
  /* In a frame of another site the browser may refuse to keep anything: then it is kept as long as the page lives. */
  for (const name of ['localStorage', 'sessionStorage']) {
    try {
      window[name].getItem('');
    } catch {
      const kept = new Map();
      const value = {
        getItem: (key) => kept.get(key) ?? null,
        setItem: (key, text) => kept.set(key, String(text)),
        removeItem: (key) => kept.delete(key),
      };
      Object.defineProperty(window, name, { value });
    }
  }
  const root = document.documentElement;
  const [theme, language] = ['centralita.theme', 'centralita.language'].map((name) => localStorage.getItem(name));
  if (['light', 'dark', 'contrast'].includes(theme)) root.dataset.theme = theme;
  if (['en', 'es'].includes(language)) root.lang = language;

  /* What was chosen and what the system asks for make one word, by which the colours go (`css/tokens.css`). */
  const [dark, more] = ['(prefers-color-scheme: dark)', '(prefers-contrast: more)'].map((query) => matchMedia(query));
  const paint = () => {
    const chosen = root.dataset.theme;
    const night = chosen === 'dark' || (chosen !== 'light' && dark.matches);
    const strong = chosen === 'contrast' || (!chosen && more.matches);
    root.dataset.colours = strong ? (night ? 'contrast-dark' : 'contrast') : night ? 'dark' : 'light';
  };
  paint();
  for (const query of [dark, more]) query.addEventListener('change', paint);
  new MutationObserver(paint).observe(root, { attributeFilter: ['data-theme'] });
})();
