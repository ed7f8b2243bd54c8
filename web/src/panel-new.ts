/** The panel of new rows: a CSV file that the encoder places on the map. */

import type { App } from './app';
import { readRows, table, type GivenRows } from './csv';
import { button, format, h, integer, name, replace, save } from './dom';
import { messageOf, type Model } from './model';
import type { Placed } from './state';

const LISTED = 500;
const BATCH = 256;

export function newPanel(app: App): { root: HTMLElement; read: (file: File) => Promise<void> } {
  const { model, store } = app;
  const status = h('p', { class: 'note', role: 'status', testid: 'new-status', hidden: true });
  const list = h('div', {});
  const say = (text: string, wrong = false): void => {
    status.hidden = !text;
    status.textContent = text;
    status.classList.toggle('error', wrong);
  };
  const report = (text: string, wrong = false): void => {
    say(text, wrong);
    app.announce(text);
  };
  const read = async (file: File): Promise<void> => {
    app.tabs.open('new');
    if (!model.encoder) {
      say(model.trouble, true);
      return;
    }
    try {
      report(await place(app, file));
    } catch (error) {
      report(messageOf(error), true);
    }
  };
  const remove = (): void => {
    store.set({ placed: [] });
    say('');
  };
  const draw = (): void => replace(list, ...(store.state.placed.length ? placedRows(app, remove) : []));
  store.on(['placed'], draw);
  const root = h('div', { testid: 'new-panel' },
    h('p', { class: 'muted' }, 'Drop a CSV file on the page, or choose one. The encoder places its rows on the map, as diamonds. '
      + `Columns are found by their names${model.D <= 3 ? '' : ' (more columns and another order do no harm)'}, or by their order if there are ${integer(model.D)}. The file stays on this computer.`),
    model.encoder ? fileField(read) : h('p', { class: 'note' }, model.trouble), status, list);
  return { root, read };
}

function fileField(read: (file: File) => Promise<void>): HTMLInputElement {
  const input = h('input', { type: 'file', accept: '.csv,.tsv,.txt,text/csv', testid: 'new-file', class: 'file', 'aria-label': 'CSV file of new rows' });
  input.addEventListener('change', () => {
    const [file] = input.files ?? [];
    if (file) void read(file);
    input.value = '';
  });
  return input;
}

/** Puts the rows of a file on the map, and says how many have a place and why others have none. */
async function place({ model, store }: App, file: File): Promise<string> {
  const rows = readRows(await file.text(), model.header.features.names);
  const placed = encoded(model, rows, file.name);
  const good = placed.filter((one) => one.place.every(Number.isFinite));
  const lost = placed.length - good.length;
  const { incomplete } = rows;
  store.set({ placed: [...store.state.placed, ...good] });
  const parts = [`${integer(good.length)} ${good.length === 1 ? 'row' : 'rows'} placed from “${file.name}”.`];
  if (incomplete) parts.push(`${integer(incomplete)} ${incomplete === 1 ? 'row has' : 'rows have'} an empty cell and ${incomplete === 1 ? 'gets' : 'get'} no place.`);
  if (lost) parts.push(`${integer(lost)} ${lost === 1 ? 'row has' : 'rows have'} no finite place.`);
  return parts.join(' ');
}

function encoded(model: Model, { values, numbers }: GivenRows, file: string): Placed[] {
  const { d, D } = model;
  const placed: Placed[] = [];
  for (let from = 0; from < numbers.length; from += BATCH) {
    const count = Math.min(BATCH, numbers.length - from);
    const found = model.encode(values.subarray(from * D, (from + count) * D), count);
    for (let k = 0; k < count; k++) {
      placed.push({ row: numbers[from + k], file, place: Array.from(found.slice(k * d, (k + 1) * d)) });
    }
  }
  return placed;
}

function placedRows(app: App, remove: () => void): (HTMLElement | false)[] {
  const { axes } = app.model.header;
  const { placed } = app.store.state;
  const write = (): void => save(
    table(['file', 'row', ...axes], placed.map((one) => [one.file, one.row, ...one.place])), 'placed.csv',
  );
  return [
    h('div', { class: 'buttons' },
      button('Save CSV', write, { testid: 'save-placed' }),
      button('Remove', remove, { testid: 'clear-placed' })),
    h('div', { class: 'scroll' }, h('table', { class: 'means', testid: 'placed-table' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Row'), ...axes.map((axis) => h('th', { scope: 'col' }, name(axis))))),
      h('tbody', {}, ...placed.slice(0, LISTED).map((one) => h('tr', {},
        h('th', { scope: 'row' }, button(String(one.row), () => show(app, one), { class: 'link', title: one.file })),
        ...one.place.map((value) => h('td', {}, format(value)))))))),
    placed.length > LISTED && h('p', { class: 'muted small' }, `The first ${LISTED} of ${integer(placed.length)}.`),
  ];
}

function show(app: App, one: Placed): void {
  const [x, y] = app.shown(one.place);
  app.view.centerOn(x, y);
  app.store.set({ others: [...one.place] });
  app.visit(x, y);
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
