/** The panel of one point: what is known of its row. */

import type { App } from './app';
import { button, format, h, name, replace } from './dom';
import type { Model } from './model';
import { Bars, painted } from './rowview';

const NEAR = 8;

export function pointPanel(app: App): HTMLElement {
  const { model, store } = app;
  const root = h('div', { testid: 'point-panel' });
  const bars = new Bars(model, 'Features of this row, the most unusual first', 'point-bars');
  const draw = (): void => {
    const i = store.state.point;
    if (i === null) {
      replace(root, h('p', { class: 'muted' }, 'Click a point, or search for the id of a row.'));
      return;
    }
    const data = model.neighbours(i);
    const map = app.space.neighbours(i, Math.min(NEAR, model.n - 1), app.view.scale[0], app.view.center);
    replace(root,
      h('h3', { class: 'pointid' }, 'Row ', name(model.id(i), { testid: 'point-id' })),
      facts(model, i),
      rowAndReconstruction(model, i, bars),
      data ? near(app, 'Nearest in the data', data.slice(0, NEAR), 'near-data')
        : model.header.neighbours && h('p', { class: 'muted' }, 'Nearest rows in the data are not in the page for this row.'),
      near(app, 'Nearest on the map', map, 'near-map'));
  };
  store.on(['point'], draw);
  draw();
  return root;
}

/** The label, the measures and the coordinates. */
function facts(model: Model, i: number): HTMLElement {
  const { axes, labels, measures } = model.header;
  const list = h('dl', { class: 'facts' });
  const add = (term: HTMLElement, value: HTMLElement | string): void => {
    list.append(h('dt', {}, term), h('dd', {}, value));
  };
  const label = model.label(i);
  if (label !== null && labels) add(name(labels.name || 'label'), name(label));
  measures.forEach((measure) => {
    const term = name(measure.name);
    term.title = measure.about;
    add(term, format(model.array(measure.values)[i]));
  });
  model.place(i).forEach((one, axis) => add(name(axes[axis] ?? ''), format(one)));
  return list;
}

function rowAndReconstruction(model: Model, i: number, bars: Bars): HTMLElement {
  const row = model.row(i);
  const back = model.decoder ? model.decode(model.place(i)) : null;
  const shown = h('div', {});
  if (!row) {
    shown.append(h('p', { class: 'note', testid: 'no-row' },
      `The data of this row are not in the page: it holds ${model.rowCount} of ${model.n} rows.`));
  }
  if (model.header.image) {
    shown.append(h('div', { class: 'pair' },
      row && picture(model, row, 'Row', 'row-image'),
      back && picture(model, back, 'Reconstruction', 'reconstruction-image')));
  } else if (row || back) {
    shown.append(h('p', { class: 'muted small' }, row && back
      ? 'Bars: the row; thin bars: its reconstruction. Numbers: row → reconstruction.'
      : row ? 'Bars: the row.' : 'Bars: the reconstruction.'), bars.root);
    if (row) bars.show(row, back);
    else if (back) bars.show(back);
  }
  return shown;
}

function picture(model: Model, row: ArrayLike<number>, caption: string, testid: string): HTMLElement {
  const canvas = h('canvas', { class: 'pixels', role: 'img', 'aria-label': caption, testid });
  painted(canvas, model, row);
  return h('figure', {}, canvas, h('figcaption', {}, caption));
}

function near(app: App, title: string, points: number[], testid: string): HTMLElement {
  return h('div', { class: 'near' }, h('h3', {}, title),
    h('ul', { class: 'chips', testid }, ...points.map((i) => {
      const label = app.model.label(i);
      const chip = button('', () => app.open(i, true), { class: 'chip' });
      chip.append(name(app.model.id(i)), ...(label === null ? [] : [name(label, { class: 'muted' })]));
      return h('li', {}, chip);
    })));
}
