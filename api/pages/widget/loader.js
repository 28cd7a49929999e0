/*
 * The visitors' button, for other people's sites: <script src="https://pbx.example/widget.js" data-queue="sales" data-lang="es" async></script>
 *
 * It puts one element at the end of the page, closed to the page's own styles and scripts, and in it a button; the rest is a frame of the
 * server, made when somebody presses it. Nothing of the page is read but its address without the query, nothing is kept, no cookie is set.
 */
(() => {
  const sites = ["{{sites}}"];
  const script = document.currentScript;
  const server = new URL(script.src).origin;
  const { queue = '', lang = '', label = '' } = script.dataset;
  if (!sites.includes(location.origin)) {
    console.error(`Centralita: this site (${location.origin}) may not show the button of ${server}. Its administrator names it in the setting widget.sites.`);
    return;
  }
  if (!queue) {
    console.error('Centralita: say in data-queue which queue visitors are to reach.');
    return;
  }
  const words = {
    en: { open: 'Talk to us', close: 'Close', live: 'Back to the conversation', title: 'Talk to us' },
    es: { open: 'Hable con nosotros', close: 'Cerrar', live: 'Volver a la conversación', title: 'Hable con nosotros' },
  };
  const spoken = lang in words ? lang : (document.documentElement.lang || navigator.language).slice(0, 2);
  const say = words[spoken] ?? words.en;
  const quick = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const host = document.createElement('centralita-button');
  const root = host.attachShadow({ mode: 'closed' });
  const style = (element, rules) => {
    for (const [name, value] of Object.entries(rules)) element.style.setProperty(name, value);
    return element;
  };
  // By the object model: a page whose policy refuses inline styles shows the button all the same.
  style(host, { all: 'initial', position: 'fixed', 'inset-block-end': '16px', 'inset-inline-end': '16px', 'z-index': '2147483000' });
  const button = style(document.createElement('button'), {
    all: 'revert', font: '500 16px/1.2 Roboto, system-ui, sans-serif', 'min-block-size': '48px', padding: '12px 20px', cursor: 'pointer',
    border: '2px solid #fff', 'border-radius': '24px', background: '#1557b0', color: '#fff', 'box-shadow': '0 2px 8px rgb(0 0 0 / 0.35)',
    display: 'block', 'margin-inline-start': 'auto', transition: quick ? 'none' : 'background 150ms',
  });
  button.type = 'button';
  button.addEventListener('focus', () => style(button, { outline: button.matches(':focus-visible') ? '3px solid #8ab4f8' : 'none', 'outline-offset': '2px' }));
  button.addEventListener('blur', () => style(button, { outline: 'none' }));
  const box = style(document.createElement('div'), { display: 'none', 'margin-block-end': '12px' });
  let frame = null;
  let live = false;

  const draw = (open) => {
    style(box, { display: open ? 'block' : 'none' });
    button.textContent = open ? say.close : live ? say.live : label.slice(0, 40) || say.open;
    button.setAttribute('aria-expanded', String(open));
  };
  const isOpen = () => box.style.display === 'block';
  function begin() {
    frame = style(document.createElement('iframe'), {
      'inline-size': 'min(380px, calc(100vw - 32px))', 'block-size': 'min(600px, calc(100vh - 108px))', border: '0', display: 'block',
      'border-radius': '12px', 'box-shadow': '0 4px 24px rgb(0 0 0 / 0.4)', 'color-scheme': 'light dark', background: 'Canvas',
    });
    frame.title = say.title;
    frame.allow = 'microphone; autoplay';
    const known = new URLSearchParams({ queue, lang: spoken in words ? spoken : 'en', page: location.origin + location.pathname, site: location.origin });
    frame.src = `${server}/widget#${known}`;
    box.append(frame);
  }
  function toggle(open) {
    if (open && !frame) begin();
    draw(open);
    (open ? frame : button).focus();
  }
  button.addEventListener('click', () => toggle(!isOpen()));
  addEventListener('message', ({ data, origin, source }) => {
    if (!frame || source !== frame.contentWindow || origin !== server || data?.centralita !== 1) return;
    if (data.event === 'close') toggle(false);
    if (data.event === 'live') {
      live = data.live === true;
      draw(isOpen());
    }
  });
  draw(false);
  root.append(box, button);
  const put = () => document.body.append(host);
  if (document.body) put();
  else addEventListener('DOMContentLoaded', put);
})();
