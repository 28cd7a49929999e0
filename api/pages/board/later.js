/** Views that few visits need: each is fetched when it is first shown. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Notice, Skeleton, explain, html } from './kit.js';

/** `load` imports the module, whose `View` is shown. */
export function later(load) {
  const module = signal(null);
  const failed = signal(false);
  return (props) => {
    useEffect(() => {
      failed.value = false;
      if (!module.peek()) load().then((loaded) => (module.value = loaded), () => (failed.value = true));
    }, []);
    if (failed.value) return html`<${Notice} tone="bad">${explain('server_unreachable')}<//>`;
    return module.value ? html`<${module.value.View} ...${props} />` : html`<${Skeleton} lines=${6} />`;
  };
}
