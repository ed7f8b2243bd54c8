/** Tables of text: those that the page writes, and those that are dropped on it. */

import Papa from 'papaparse';

/** Names that a spreadsheet would take for a formula get an apostrophe; numbers, such as the class −1, stay what they are. */
function safeName(text: string): string {
  return /^[=+\-@\t\r]/.test(text) && !isNumber(text) ? `'${text}` : text;
}

export function cell(value: string | number): string {
  const text = typeof value === 'number' ? number(value) : safeName(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

function number(value: number): string {
  return Number.isNaN(value) ? '' : String(value);
}

export function table(names: readonly string[], rows: Iterable<readonly (string | number)[]>): string {
  const lines = [names.map(cell).join(',')];
  for (const row of rows) lines.push(row.map(cell).join(','));
  return `${lines.join('\r\n')}\r\n`;
}

export interface GivenRows {
  /** One after the other, in the order of the features. */
  values: Float64Array;
  /** In the file: the number of the row, from 1, the header not counted. */
  numbers: number[];
  /** Rows with an empty cell or a NaN have no place on the map. */
  incomplete: number;
}

const MISSING = new Set(['', 'nan', 'na', 'n/a', 'null', 'none']);

/** Rows of a CSV file for the encoder. Throws an Error that says what is wrong, and where. */
export function readRows(text: string, features: readonly string[]): GivenRows {
  const D = features.length;
  const { data } = Papa.parse<string[]>(text.replace(/^\uFEFF/, ''), { skipEmptyLines: false });
  const lines = data.map((cells, k) => ({ cells, line: k + 1 }))
    .filter(({ cells }) => !(cells.length === 1 && cells[0].trim() === '' && D !== 1))
    .filter(({ cells, line }) => !(D === 1 && line === data.length && cells.length === 1 && cells[0] === ''));
  if (!lines.length || lines.every(({ cells }) => cells.every((one) => one.trim() === ''))) {
    throw new Error('The file is empty.');
  }
  const { columns, isHeader } = columnsOf(lines[0].cells.map((one) => one.trim()), features);
  const body = isHeader ? lines.slice(1) : lines;
  if (!body.length) throw new Error('The file has a header and no rows.');
  const values: number[] = [];
  const numbers: number[] = [];
  let incomplete = 0;
  body.forEach(({ cells, line }, k) => {
    const row: number[] = [];
    let complete = true;
    columns.forEach((column, j) => {
      const text = (cells[column] ?? '').trim();
      if (MISSING.has(text.toLowerCase())) complete = false;
      else if (!isNumber(text)) {
        throw new Error(`Line ${line}, column “${features[j]}”: “${shortened(text)}” is not a number.`);
      }
      row.push(Number(text));
    });
    if (complete) {
      for (const one of row) values.push(one);
      numbers.push(k + 1);
    } else incomplete++;
  });
  return { values: Float64Array.from(values), numbers, incomplete };
}

/** The column of each feature: found by its name where the first line has all names, else by the order. */
function columnsOf(
  first: readonly string[], features: readonly string[],
): { columns: number[]; isHeader: boolean } {
  const D = features.length;
  const places = new Map<string, number>();
  first.forEach((name, at) => { if (!places.has(name)) places.set(name, at); });
  const found = features.map((name) => places.get(name.trim()) ?? places.get(safeName(name).trim()));
  const missing = features.filter((_, k) => found[k] === undefined);
  if (!missing.length) return { columns: found as number[], isHeader: true };
  // A data frame without names calls its columns 0, 1, 2, …
  const counted = first.filter((one) => one !== '');
  const isHeader = first.some((one) => !isNumber(one) && !MISSING.has(one.toLowerCase()))
    || (first.length > 2 && counted.length > 0 && counted.every((one, k) => one === String(k)));
  if (first.length === D && (!isHeader || missing.length === D)) {
    return { columns: features.map((_, k) => k), isHeader };
  }
  throw new Error(isHeader
    ? `${missing.length === 1 ? 'A column is' : `${missing.length} columns are`} missing: ${listed(missing)}.`
    : `The file has no header and ${first.length} columns; the map takes ${D}.`);
}

/** Number() would take hexadecimal numbers, too. Infinity has no place on a map. */
function isNumber(text: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text));
}

function listed(names: readonly string[]): string {
  const some = names.slice(0, 8).map((name) => `“${name}”`).join(', ');
  return names.length > 8 ? `${some} and ${names.length - 8} more` : some;
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
