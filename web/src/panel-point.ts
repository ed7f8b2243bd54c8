/** The panel of one point: what is known of its row. */

import type { App } from './app';
import { button, format, h, name, replace } from './dom';
import { Bars, painted } from './rowview';

const NEAR = 8;

export function pointPanel(app: App): HTMLElement {
  const { model, store } = app;
  const root = h('div', { testid: 'point-panel' });
  const bars = new Bars(model, 'Features of this row, the most unusual first', 'point-bars');

  const list = (title: string, points: number[], testid: string): HTMLElement => h('div', { class: 'near' },
    h('h3', {}, title),
    h('ul', { class: 'chips', testid }, ...points.map((i) => {
      const label = model.label(i);
      const chip = button('', () => app.open(i, true), { class: 'chip' });
      chip.append(name(model.id(i)), ...(label === null ? [] : [name(label, { class: 'muted' })]));
      return h('li', {}, chip);
    })));

  const picture = (row: ArrayLike<number>, caption: string, testid: string): HTMLElement => {
    const canvas = h('canvas', { class: 'pixels', role: 'img', 'aria-label': caption, testid });
    painted(canvas, model, row);
    return h('figure', {}, canvas, h('figcaption', {}, caption));
  };

  const draw = (): void => {
    const i = store.state.point;
    if (i === null) {
      replace(root, h('p', { class: 'muted' }, 'Click a point, or search for the id of a row.'));
      return;
    }
    const facts: [Node | string, Node | string][] = [];
    const label = model.label(i);
    if (label !== null && model.header.labels) facts.push([name(model.header.labels.name || 'label'), name(label)]);
    model.header.measures.forEach((measure) => {
      const term = name(measure.name);
      term.title = measure.about;
      facts.push([term, format(model.array(measure.values)[i])]);
    });
    model.place(i).forEach((one, axis) => facts.push([name(model.header.axes[axis] ?? ''), format(one)]));
    const row = model.row(i);
    const back = model.decoder ? model.decode(model.place(i)) : null;
    const shown = h('div', {});
    if (!row) {
      shown.append(h('p', { class: 'note', testid: 'no-row' },
        `The data of this row are not in the page: it holds ${model.rowCount} of ${model.n} rows.`));
    }
    if (model.header.image) {
      const pictures = h('div', { class: 'pair' });
      if (row) pictures.append(picture(row, 'Row', 'row-image'));
      if (back) pictures.append(picture(back, 'Reconstruction', 'reconstruction-image'));
      shown.append(pictures);
    } else if (row || back) {
      shown.append(h('p', { class: 'muted small' }, row && back
        ? 'Bars: the row; thin bars: its reconstruction. Numbers: row → reconstruction.'
        : row ? 'Bars: the row.' : 'Bars: the reconstruction.'), bars.root);
      if (row) bars.show(row, back);
      else if (back) bars.show(back);
    }
    const data = model.neighbours(i);
    const map = app.space.neighbours(i, Math.min(NEAR, model.n - 1), app.view.scale[0], app.view.center);
    replace(root,
      h('h3', { class: 'pointid' }, 'Row ', name(model.id(i), { testid: 'point-id' })),
      h('dl', { class: 'facts' }, ...facts.flatMap(([term, value]) => [h('dt', {}, term), h('dd', {}, value)])),
      shown,
      data ? list('Nearest in the data', data.slice(0, NEAR), 'near-data')
        : model.header.neighbours && h('p', { class: 'muted' }, 'Nearest rows in the data are not in the page for this row.'),
      list('Nearest on the map', map, 'near-map'));
  };
  store.on(['point'], draw);
  draw();
  return root;
}
