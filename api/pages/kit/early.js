/* Before anything is painted: the theme and the language that were chosen, so that no page flashes white or speaks another one first. */
(() => {
  const root = document.documentElement;
  const [theme, language] = ['centralita.theme', 'centralita.language'].map((name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  });
  if (['light', 'dark', 'contrast'].includes(theme)) root.dataset.theme = theme;
  if (['en', 'es'].includes(language)) root.lang = language;
})();
