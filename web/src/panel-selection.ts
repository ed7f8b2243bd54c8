/** The panel of selected points. */

import type { App } from './app';
import { table } from './csv';
import { button, format, h, integer, name, replace, save } from './dom';
import type { Model } from './model';

const FEATURES = 12;

export function selectionPanel(app: App): HTMLElement {
  const { model, store } = app;
  const root = h('div', { testid: 'selection-panel' });
  const draw = (): void => {
    const chosen = store.state.selection;
    if (!chosen.length) {
      replace(root, h('p', { class: 'muted' },
        'Draw a lasso around points (key L, or hold Shift and drag) to see what they have in common.'));
      return;
    }
    replace(root,
      h('h3', { testid: 'selection-count' }, `${integer(chosen.length)} of ${integer(model.n)} rows`),
      h('div', { class: 'buttons' },
        button('Copy row ids', () => void copyIds(app, chosen), { testid: 'copy-ids' }),
        button('Save CSV', () => saveRows(model, chosen), { testid: 'save-selection' }),
        button('Clear', () => app.select([]), { testid: 'clear-selection' })),
      counts(app, chosen), means(model, chosen));
  };
  store.on(['selection'], draw);
  draw();
  return root;
}

async function copyIds(app: App, chosen: number[]): Promise<void> {
  const text = chosen.map((i) => app.model.id(i)).join('\n');
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages of files may not have the clipboard's interface.
    const area = h('textarea', { class: 'offscreen', 'aria-hidden': 'true' });
    area.value = text;
    app.root.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  app.notify(`Copied ${integer(chosen.length)} row ${chosen.length === 1 ? 'id' : 'ids'}.`);
}

function saveRows(model: Model, chosen: number[]): void {
  const { axes, labels } = model.header;
  const rows = chosen.map((i) => [model.id(i), ...model.rounded(i), ...(labels ? [model.label(i) ?? ''] : [])]);
  save(table(['id', ...axes, ...(labels ? [labels.name || 'label'] : [])], rows), 'selection.csv');
}

/** How many of the chosen points have each label. */
function counts({ model, colouring }: App, chosen: number[]): HTMLElement | null {
  const { labels } = model.header;
  if (!labels || !model.codes) return null;
  const found = new Map<number, number>();
  for (const i of chosen) found.set(model.codes[i], (found.get(model.codes[i]) ?? 0) + 1);
  const colours = colouring.labelColours();
  const sorted = [...found].sort((a, b) => b[1] - a[1]);
  return h('div', {}, h('h3', {}, name(labels.name || 'Labels')),
    h('ul', { class: 'counts', testid: 'selection-labels' }, ...sorted.slice(0, 40).map(([code, count]) => {
      const swatch = h('span', { class: 'swatch' });
      swatch.style.background = colours[code];
      const bar = h('span', { class: 'share' });
      bar.style.width = `${(100 * count) / sorted[0][1]}%`;
      return h('li', {}, swatch, name(labels.values[code], { class: 'feature' }),
        h('span', { class: 'sharebox', 'aria-hidden': 'true' }, bar),
        h('span', { class: 'value' }, `${integer(count)} of ${integer(colouring.counts[code])}`));
    })));
}

function means(model: Model, chosen: number[]): HTMLElement {
  const { mean, std, header: { features } } = model;
  const { own, rows } = meansOf(model, chosen);
  if (!rows) return h('p', { class: 'note' }, 'The data of these rows are not in the page: no means of features.');
  const most = Array.from(own, (value, j) => ({ j, z: (value - mean[j]) / (std[j] || 1) || 0 }))
    .sort((a, b) => Math.abs(b.z) - Math.abs(a.z)).slice(0, FEATURES);
  return h('div', {},
    h('h3', {}, 'Features that differ most'),
    h('p', { class: 'muted small' }, rows < chosen.length
      ? `From the ${integer(rows)} selected rows whose data are in the page.` : 'Means of the selection and of all rows.'),
    h('table', { class: 'means', testid: 'selection-means' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Feature'), h('th', { scope: 'col' }, 'Selection'),
        h('th', { scope: 'col' }, 'All'), h('th', { scope: 'col', title: 'difference in standard deviations of all rows' }, 'Diff./sd'))),
      h('tbody', {}, ...most.map(({ j, z }) => h('tr', {},
        h('th', { scope: 'row' }, name(features.names[j])), h('td', {}, format(own[j])),
        h('td', {}, format(mean[j])), h('td', {}, `${z > 0 ? '+' : ''}${format(z, 2)}`))))));
}

/** The mean of each feature, over the rows whose data are in the page, and how many these are. */
function meansOf(model: Model, chosen: number[]): { own: Float64Array; rows: number } {
  const { D } = model;
  const sums = new Float64Array(D);
  const numbers = new Uint32Array(D);
  let rows = 0;
  for (const i of chosen) {
    const row = model.row(i);
    if (!row) continue;
    rows++;
    for (let j = 0; j < D; j++) if (!Number.isNaN(row[j])) { sums[j] += row[j]; numbers[j]++; }
  }
  return { own: sums.map((sum, j) => sum / numbers[j]), rows };
}
