/** The panel of a path: what is decoded along it. */

import type { App } from './app';
import { channels } from './colours';
import { table } from './csv';
import { button, format, h, name, replace, save } from './dom';
import { resampled } from './path';
import { painted } from './rowview';

const FRAMES = 12;
const STEPS = 30;
const FEATURES = 12;

export function pathPanel(app: App): HTMLElement {
  const { model, store } = app;
  const root = h('div', { testid: 'path-panel' });

  const places = (count: number): number[][] => resampled(store.state.path, count).map(([x, y]) => app.whole(x, y));
  const decoded = (count: number): number[][] => places(count).map((z) => Array.from(model.decode(z)));

  const writeTable = (): void => {
    const along = places(STEPS);
    const rows = along.map((z, step) => [step + 1, ...z, ...model.decode(z)]);
    save(table(['step', ...model.header.axes, ...model.header.features.names], rows), 'path.csv');
  };

  const draw = (): void => {
    const { path, drawing } = store.state;
    if (!model.decoder) {
      replace(root, h('p', { class: 'note' }, model.trouble));
      return;
    }
    if (path.length < 2 || drawing) {
      replace(root, h('p', { class: 'muted' }, drawing && path.length
        ? 'Click to add corners. Enter or a double click ends the path.'
        : 'Choose Path (key P), then drag a line over the map or click its corners. Here appears what the model decodes along it.'));
      return;
    }
    const rows = decoded(FRAMES);
    const bare = places(FRAMES).map((z) => app.space.supported(z, app.view.scale[0], app.view.center) === false);
    const alone = bare.filter(Boolean).length;
    const strip = model.header.image ? filmOf(app, rows, bare) : heatOf(app, rows, bare);
    replace(root,
      h('h3', {}, `${FRAMES} places, equally far apart`),
      strip.element,
      alone > 0 && h('p', { class: 'muted small' },
        `${alone} of them ${alone === 1 ? 'has' : 'have'} no rows near and ${alone === 1 ? 'is' : 'are'} shown paler: do not trust ${alone === 1 ? 'it' : 'them'}.`),
      h('div', { class: 'buttons' },
        button('Save CSV', writeTable, { testid: 'save-path-csv', title: `${STEPS} places with all features` }),
        button('Save PNG', () => strip.picture((blob) => save(blob, 'path.png')), { testid: 'save-path-png' }),
        button('Remove path', () => store.set({ path: [], drawing: false }), { testid: 'clear-path' })));
  };
  store.on(['path', 'drawing', 'others', 'axes'], draw);
  draw();
  return root;
}

interface Strip { element: HTMLElement; picture(done: (blob: Blob) => void): void }

function blobOf(canvas: HTMLCanvasElement, done: (blob: Blob) => void): void {
  canvas.toBlob((blob) => { if (blob) done(blob); }, 'image/png');
}

function filmOf(app: App, rows: number[][], bare: boolean[]): Strip {
  const { model } = app;
  const canvases = rows.map((row, k) => {
    const canvas = h('canvas', { class: 'pixels', role: 'img', 'aria-label': `Decoded image ${k + 1} of ${rows.length}` });
    painted(canvas, model, row);
    return canvas;
  });
  const element = h('ol', { class: 'film', testid: 'film' }, ...canvases.map((canvas, k) => h('li', { class: bare[k] && 'bare' }, canvas)));
  return {
    element,
    picture(done) {
      const [height, width] = model.header.image as number[];
      const factor = Math.max(1, Math.round(112 / Math.max(height, width)));
      const gap = 4;
      const whole = document.createElement('canvas');
      whole.width = rows.length * (width * factor + gap) - gap;
      whole.height = height * factor;
      const context = whole.getContext('2d');
      if (!context) return;
      context.imageSmoothingEnabled = false;
      canvases.forEach((one, k) => context.drawImage(one, k * (width * factor + gap), 0, width * factor, height * factor));
      blobOf(whole, done);
    },
  };
}

/** Blue below the mean, orange above. */
function heat(z: number): string {
  const share = Math.min(1, Math.abs(z) / 2.5);
  const [to, from] = [channels(z < 0 ? '#0060a8' : '#c75000'), channels('#f1f1ee')];
  return `rgb(${from.map((one, k) => Math.round(one + share * (to[k] - one))).join(',')})`;
}

function heatOf(app: App, rows: number[][], bare: boolean[]): Strip {
  const { model } = app;
  const { mean, std, D } = model;
  const ranges = Array.from({ length: D }, (_, j) => {
    const column = rows.map((row) => row[j]);
    return { j, size: (Math.max(...column) - Math.min(...column)) / (std[j] || 1) || 0 };
  }).sort((a, b) => b.size - a.size).slice(0, FEATURES);
  const z = (j: number, value: number): number => (value - mean[j]) / (std[j] || 1);
  const body = ranges.map(({ j }) => {
    const label = name(model.header.features.names[j], { class: 'feature' });
    label.title = model.header.features.names[j];
    const cells = h('span', { class: 'heat', 'aria-hidden': 'true' }, ...rows.map((row, k) => {
      const one = h('i', { title: `${k + 1}: ${format(row[j])}`, class: bare[k] && 'bare' });
      one.style.background = heat(z(j, row[j]));
      return one;
    }));
    return h('li', {}, label, cells, h('span', { class: 'value' }, `${format(rows[0][j], 3)} → ${format(rows[rows.length - 1][j], 3)}`));
  });
  return {
    element: h('div', {}, h('p', { class: 'muted small' },
      'The features that change most, from start to end; blue below the mean of the data, orange above.'),
    h('ul', { class: 'heats', testid: 'film' }, ...body)),
    picture(done) {
      const [cell, left, right] = [28, 190, 160];
      const canvas = document.createElement('canvas');
      canvas.width = left + rows.length * cell + right;
      canvas.height = ranges.length * cell + 8;
      const context = canvas.getContext('2d');
      if (!context) return;
      context.fillStyle = '#fff';
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.font = '13px system-ui, sans-serif';
      context.textBaseline = 'middle';
      ranges.forEach(({ j }, k) => {
        const y = 4 + k * cell;
        context.fillStyle = '#222';
        context.textAlign = 'right';
        context.fillText(model.header.features.names[j].slice(0, 60), left - 8, y + cell / 2, left - 14);
        context.textAlign = 'left';
        context.fillText(`${format(rows[0][j], 3)} → ${format(rows[rows.length - 1][j], 3)}`,
          left + rows.length * cell + 8, y + cell / 2, right - 12);
        rows.forEach((row, step) => {
          context.fillStyle = heat(z(j, row[j]));
          context.fillRect(left + step * cell, y + 1, cell, cell - 2);
        });
      });
      blobOf(canvas, done);
    },
  };
}
