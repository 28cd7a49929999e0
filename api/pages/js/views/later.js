/** A view whose module is fetched when it is first shown: what few visits need is no part of the first one. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { alarm } from '../attention.js';
import { explain } from '../catalogue.js';
import { Refusal } from '../session.js';
import { html } from './html.js';

/** `load` imports the module, `name` is what it exports. Where it cannot be had, that is said and `onClose` called. */
export function later(load, name) {
  const module = signal(null);
  return (props) => {
    useEffect(() => {
      const missed = () => {
        alarm(explain(new Refusal({ code: 'server_unreachable' })));
        props.onClose?.();
      };
      if (!module.value) load().then((loaded) => (module.value = loaded), missed);
    }, []);
    return module.value && html`<${module.value[name]} ...${props} />`;
  };
}
