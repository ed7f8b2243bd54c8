/** The panel of new rows: a CSV file that the encoder places on the map. */

import type { App } from './app';
import { readRows, table } from './csv';
import { button, format, h, integer, name, replace, save } from './dom';
import { messageOf } from './model';
import type { Placed } from './state';

const LISTED = 500;
const BATCH = 256;

export function newPanel(app: App): { root: HTMLElement; read: (file: File) => Promise<void> } {
  const { model, store } = app;
  const status = h('p', { class: 'note', role: 'status', testid: 'new-status', hidden: true });
  const list = h('div', {});
  const input = h('input', { type: 'file', accept: '.csv,.tsv,.txt,text/csv', testid: 'new-file', class: 'file', 'aria-label': 'CSV file of new rows' });
  input.addEventListener('change', () => {
    const [file] = input.files ?? [];
    if (file) void read(file);
    input.value = '';
  });
  const say = (text: string, wrong = false): void => {
    status.hidden = !text;
    status.textContent = text;
    status.classList.toggle('error', wrong);
  };

  const read = async (file: File): Promise<void> => {
    app.tabs.open('new');
    if (!model.encoder) {
      say(model.trouble, true);
      return;
    }
    try {
      const { values, numbers, incomplete } = readRows(await file.text(), model.header.features.names);
      const placed: Placed[] = [];
      for (let from = 0; from < numbers.length; from += BATCH) {
        const count = Math.min(BATCH, numbers.length - from);
        const found = model.encode(values.subarray(from * model.D, (from + count) * model.D), count);
        for (let k = 0; k < count; k++) {
          const place = Array.from(found.slice(k * model.d, (k + 1) * model.d));
          placed.push({ row: numbers[from + k], file: file.name, place });
        }
      }
      const lost = placed.filter(({ place }) => !place.every(Number.isFinite)).length;
      const good = placed.filter(({ place }) => place.every(Number.isFinite));
      store.set({ placed: [...store.state.placed, ...good] });
      const parts = [`${integer(good.length)} ${good.length === 1 ? 'row' : 'rows'} placed from “${file.name}”.`];
      if (incomplete) parts.push(`${integer(incomplete)} ${incomplete === 1 ? 'row has' : 'rows have'} an empty cell and ${incomplete === 1 ? 'gets' : 'get'} no place.`);
      if (lost) parts.push(`${integer(lost)} ${lost === 1 ? 'row has' : 'rows have'} no finite place.`);
      say(parts.join(' '));
      app.announce(parts.join(' '));
    } catch (error) {
      say(messageOf(error), true);
      app.announce(messageOf(error));
    }
  };

  const write = (): void => save(
    table(['file', 'row', ...model.header.axes], store.state.placed.map((one) => [one.file, one.row, ...one.place])),
    'placed.csv',
  );

  const draw = (): void => {
    const { placed } = store.state;
    if (!placed.length) {
      replace(list);
      return;
    }
    replace(list,
      h('div', { class: 'buttons' },
        button('Save CSV', write, { testid: 'save-placed' }),
        button('Remove', () => { store.set({ placed: [] }); say(''); }, { testid: 'clear-placed' })),
      h('div', { class: 'scroll' }, h('table', { class: 'means', testid: 'placed-table' },
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Row'), ...model.header.axes.map((axis) => h('th', { scope: 'col' }, name(axis))))),
        h('tbody', {}, ...placed.slice(0, LISTED).map((one) => h('tr', {},
          h('th', { scope: 'row' }, button(String(one.row), () => {
            const [x, y] = app.shown(one.place);
            app.view.centerOn(x, y);
            store.set({ others: [...one.place] });
            app.visit(x, y);
          }, { class: 'link', title: one.file })),
          ...one.place.map((value) => h('td', {}, format(value)))))))),
      placed.length > LISTED && h('p', { class: 'muted small' }, `The first ${LISTED} of ${integer(placed.length)}.`));
  };
  store.on(['placed'], draw);
  const root = h('div', { testid: 'new-panel' },
    h('p', { class: 'muted' }, 'Drop a CSV file on the page, or choose one. The encoder places its rows on the map, as diamonds. '
      + `Columns are found by their names${model.D <= 3 ? '' : ' (more columns and another order do no harm)'}, or by their order if there are ${integer(model.D)}. The file stays on this computer.`),
    model.encoder ? input : h('p', { class: 'note' }, model.trouble), status, list);
  return { root, read };
}

/** Reads files that are dropped on the page. */
export function listenToDrops(root: HTMLElement, read: (file: File) => Promise<void>): void {
  const follow = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    root.classList.toggle('dropping', event.type === 'dragover');
    if (event.type !== 'drop') return;
    for (const file of event.dataTransfer.files) void read(file);
  };
  for (const type of ['dragover', 'dragleave', 'drop'] as const) root.addEventListener(type, follow);
}
