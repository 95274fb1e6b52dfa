/** @file Style and script of the token page, as they stand in it. */

/** Kinds differ by their underline and box, not by color alone; both themes keep text at 4.5:1 or better. */
export const style = `
:root {
  color-scheme: light dark;
  --back: #fff; --front: #1c2024; --faint: #5f6872; --line: #d5d9de; --bar: #f4f6f8;
  --learned: #0b6b2d; --learned-back: #e3f5e8; --cut: #a81e1e; --cut-back: #fdeaea; --special: #0a5f7a; --measured: #7a4a00; --measured-back: #fff1d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171b; --front: #e3e6ea; --faint: #98a2ad; --line: #343a42; --bar: #1d2126;
    --learned: #86e2a0; --learned-back: #16341f; --cut: #ff9a94; --cut-back: #3d1c1c; --special: #7fd6ee; --measured: #f0c36a; --measured-back: #3a2c10;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--front); font: 15px/1.5 system-ui, sans-serif; }
header { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: center;
  padding: .6rem 1rem; background: var(--bar); border-bottom: 1px solid var(--line); }
h1 { font-size: 1rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.2rem 0 .4rem; }
h3 { font: 600 .85rem system-ui, sans-serif; color: var(--faint); margin: 1rem 0 .3rem; overflow-wrap: anywhere; }
small { font-weight: normal; color: var(--faint); }
main { padding: 0 1rem 4rem; max-width: 76rem; margin: auto; }
.note { flex-basis: 100%; margin: 0; color: var(--cut); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; align-items: center; }
.legend label { cursor: pointer; white-space: nowrap; } .signs { color: var(--faint); font-size: .85rem; }
output { color: var(--faint); font-size: .85rem; }
button, select { font: inherit; padding: .15rem .6rem; color: inherit; background: var(--back);
  border: 1px solid var(--line); border-radius: 5px; }
.tokens { margin: 0; font: 14px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
  overflow-wrap: anywhere; }
i { display: inline-block; max-width: 100%; font-style: normal; white-space: pre-wrap; unicode-bidi: isolate; padding: 1px 1px; margin: 2px 2px 2px 0;
  border-radius: 3px; background: var(--bar); }
i.l { color: var(--learned); background: var(--learned-back); border-bottom: 2px solid var(--learned); }
i.m { color: var(--faint); }
i.c { color: var(--cut); background: var(--cut-back); text-decoration: line-through; }
i.q { color: var(--measured); background: var(--measured-back); border-bottom: 2px dotted var(--measured); }
i.u { color: var(--faint); font-style: italic; border-bottom: 1px dashed var(--faint); }
i.s { outline: 1px solid currentColor; outline-offset: -1px; padding: 2px 4px; } i.m.s { color: var(--special); }
.tokens i { cursor: default; } .tokens i:hover, .tokens i.on { box-shadow: 0 0 0 2px var(--front); }
sub, sup { font-size: .7em; color: var(--faint); line-height: 1; } sup { color: var(--learned); font-weight: 600; }
.hide-l .tokens .l, .hide-m .tokens .m, .hide-q .tokens .q, .hide-c .tokens .c, .hide-u .tokens .u, .hide-s .tokens .s { display: none; }
.js section.row:not(.shown) { display: none; }
footer { position: fixed; inset: auto 0 0 0; padding: .5rem 1rem; background: var(--bar); border-top: 1px solid var(--line);
  font-size: .9rem; min-height: 2.4rem; overflow-wrap: anywhere; white-space: pre-wrap; }
footer b { font-family: ui-monospace, Menlo, Consolas, monospace; font-weight: 600; }
@media print { header, footer { position: static; } .js section.row { display: block !important; } }
`;

export const script = `
(() => {
  const find = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll('section.row')];
  const list = find('rows');
  const detail = find('detail');
  const words = { l: 'learned', m: 'not learned', q: 'measured, not learned', c: 'cut off, never fed', u: 'in the data, never fed' };
  let at = 0;
  let on = null;

  document.body.classList.add('js');
  document.querySelector('nav').hidden = rows.length < 2;

  const show = (index) => {
    at = Math.max(0, Math.min(rows.length - 1, index));
    for (const [i, row] of rows.entries()) row.classList.toggle('shown', i === at);
    list.selectedIndex = at;
    find('previous').disabled = at === 0;
    find('next').disabled = at === rows.length - 1;
    for (const output of document.querySelectorAll('[data-count]')) {
      let count = 0;
      for (const token of rows[at].querySelectorAll('.tokens .' + output.dataset.count)) {
        count += token.dataset.i.split(' ').length;
      }
      output.textContent = count;
    }
    mark(null);
    scrollTo(0, 0);
    history.replaceState(null, '', '#' + rows[at].id);
  };

  const mark = (token) => {
    on?.classList.remove('on');
    on = token;
    if (!token) return;
    token.classList.add('on');
    describe(token);
  };

  const part = (text) => {
    const bold = document.createElement('b');
    bold.textContent = text;
    return bold;
  };

  const placeOf = (token) => {
    let place = 0;
    for (const each of token.parentElement.querySelectorAll('i')) {
      if (each === token) break;
      place += each.dataset.i.split(' ').length;
    }
    return place;
  };

  const describe = (token) => {
    const { i, p, t, l } = token.dataset;
    const ids = i.split(' ');
    const state = words[token.classList[0]];
    const shown = token.firstChild ? token.firstChild.data : '';
    detail.replaceChildren(
      part(t || JSON.stringify(shown)),
      '  ' + (ids.length > 1 ? 'ids ' : 'id ') + ids.join(', '),
      ids.length > 1 ? ' (one character, or several, spread over ' + ids.length + ' tokens)' : '',
      '  ·  ' + (token.classList.contains('s') ? 'special, ' : '') + state + (p ? ', ' + p : ''),
      '  ·  place ' + placeOf(token),
    );
    if (l) detail.append('  ·  learned in its place: ', part(l));
  };

  const step = (by) => {
    const tokens = [...rows[at].querySelectorAll('.tokens i')].filter((each) => each.offsetParent);
    if (tokens.length === 0) return;
    const from = on ? tokens.indexOf(on) : by > 0 ? -1 : tokens.length;
    const next = tokens[Math.max(0, Math.min(tokens.length - 1, from + by))];
    mark(next);
    next.scrollIntoView({ block: 'center' });
  };

  const tokenOf = (event) => event.target.closest?.('.tokens i');
  document.addEventListener('mouseover', (event) => {
    const token = tokenOf(event);
    if (token) describe(token);
  });
  document.addEventListener('click', (event) => {
    const token = tokenOf(event);
    if (token) mark(token);
  });
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === list) return;
    const by = { ArrowLeft: -1, ArrowRight: 1, k: -1, j: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    if (event.shiftKey) step(by);
    else show(at + by);
  });
  for (const box of document.querySelectorAll('[data-toggle]')) {
    box.addEventListener('change', () => {
      document.body.classList.toggle('hide-' + box.dataset.toggle, !box.checked);
    });
  }
  list.addEventListener('change', () => show(list.selectedIndex));
  find('previous').addEventListener('click', () => show(at - 1));
  find('next').addEventListener('click', () => show(at + 1));
  const wanted = () => rows.findIndex((row) => '#' + row.id === location.hash);
  addEventListener('hashchange', () => { if (wanted() >= 0) show(wanted()); });
  show(Math.max(0, wanted()));
})();
`;
