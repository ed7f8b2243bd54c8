/** The panel of selected points. */

import type { App } from './app';
import { table } from './csv';
import { button, format, h, integer, name, replace, save } from './dom';

const FEATURES = 12;

export function selectionPanel(app: App): HTMLElement {
  const { model, store } = app;
  const root = h('div', { testid: 'selection-panel' });

  const copy = async (): Promise<void> => {
    const text = store.state.selection.map((i) => model.id(i)).join('\n');
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
    app.notify(`Copied ${integer(store.state.selection.length)} row ids.`);
  };

  const write = (): void => {
    const { header } = model;
    const labels = header.labels ? [header.labels.name || 'label'] : [];
    const rows = store.state.selection.map((i) => [
      model.id(i), ...model.rounded(i), ...(header.labels ? [model.label(i) ?? ''] : []),
    ]);
    save(table(['id', ...header.axes, ...labels], rows), 'selection.csv');
  };

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
        button('Copy row ids', () => void copy(), { testid: 'copy-ids' }),
        button('Save CSV', write, { testid: 'save-selection' }),
        button('Clear', () => app.select([]), { testid: 'clear-selection' })),
      counts(chosen), means(chosen));
  };

  const counts = (chosen: number[]): HTMLElement | null => {
    const { labels } = model.header;
    if (!labels || !model.codes) return null;
    const found = new Map<number, number>();
    for (const i of chosen) found.set(model.codes[i], (found.get(model.codes[i]) ?? 0) + 1);
    const colours = app.colouring.labelColours();
    const sorted = [...found].sort((a, b) => b[1] - a[1]);
    return h('div', {}, h('h3', {}, name(labels.name || 'Labels')),
      h('ul', { class: 'counts', testid: 'selection-labels' }, ...sorted.slice(0, 40).map(([code, count]) => {
        const swatch = h('span', { class: 'swatch' });
        swatch.style.background = colours[code];
        const bar = h('span', { class: 'share' });
        bar.style.width = `${(100 * count) / sorted[0][1]}%`;
        return h('li', {}, swatch, name(labels.values[code], { class: 'feature' }),
          h('span', { class: 'sharebox', 'aria-hidden': 'true' }, bar),
          h('span', { class: 'value' }, `${integer(count)} of ${integer(app.colouring.counts[code])}`));
      })));
  };

  const means = (chosen: number[]): HTMLElement => {
    const { D, mean, std } = model;
    const sums = new Float64Array(D);
    const numbers = new Uint32Array(D);
    let rows = 0;
    for (const i of chosen) {
      const row = model.row(i);
      if (!row) continue;
      rows++;
      for (let j = 0; j < D; j++) if (!Number.isNaN(row[j])) { sums[j] += row[j]; numbers[j]++; }
    }
    if (!rows) return h('p', { class: 'note' }, 'The data of these rows are not in the page: no means of features.');
    const all = Array.from({ length: D }, (_, j) => {
      const own = numbers[j] ? sums[j] / numbers[j] : NaN;
      return { j, own, z: (own - mean[j]) / (std[j] || 1) || 0 };
    }).sort((a, b) => Math.abs(b.z) - Math.abs(a.z)).slice(0, FEATURES);
    return h('div', {},
      h('h3', {}, 'Features that differ most'),
      h('p', { class: 'muted small' }, rows < chosen.length
        ? `From the ${integer(rows)} selected rows whose data are in the page.` : 'Means of the selection and of all rows.'),
      h('table', { class: 'means', testid: 'selection-means' },
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Feature'), h('th', { scope: 'col' }, 'Selection'),
          h('th', { scope: 'col' }, 'All'), h('th', { scope: 'col', title: 'difference in standard deviations of all rows' }, 'Diff./sd'))),
        h('tbody', {}, ...all.map(({ j, own, z }) => h('tr', {},
          h('th', { scope: 'row' }, name(model.header.features.names[j])), h('td', {}, format(own)),
          h('td', {}, format(mean[j])), h('td', {}, `${z > 0 ? '+' : ''}${format(z, 2)}`))))));
  };
  store.on(['selection'], draw);
  draw();
  return root;
}
