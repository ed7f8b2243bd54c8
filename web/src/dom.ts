/** Elements and small helpers. Texts of the data enter as text alone, never as markup. */

type Value = string | number | boolean | null | undefined | ((event: never) => void);
type Child = Node | string | null | undefined | false;

let count = 0;
/** An id that no other element has; several maps may share a document. */
export function unique(prefix = 'isthmus'): string {
  return `${prefix}-${++count}`;
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Record<string, Value> = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else if (name === 'text') element.textContent = String(value);
    else if (name === 'testid') element.dataset.testid = String(value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  put(element, ...children);
  return element;
}

export function put(element: Element, ...children: Child[]): void {
  for (const child of children) if (child !== null && child !== undefined && child !== false) element.append(child);
}

export function replace(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  put(element, ...children);
}

/** A name from the data: its direction stays its own. */
export function name(text: string, attributes: Record<string, Value> = {}): HTMLElement {
  return h('bdi', { dir: 'auto', ...attributes, text });
}

export function button(label: string, onclick: () => void, attributes: Record<string, Value> = {}): HTMLButtonElement {
  return h('button', { type: 'button', onclick, ...attributes }, label);
}

const SVG = 'http://www.w3.org/2000/svg';
/** A button with a drawing of 20 × 20 instead of text. */
export function iconButton(
  label: string, path: string, onclick: () => void, attributes: Record<string, Value> = {},
): HTMLButtonElement {
  const icon = document.createElementNS(SVG, 'svg');
  icon.setAttribute('viewBox', '0 0 20 20');
  icon.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(SVG, 'path');
  line.setAttribute('d', path);
  icon.append(line);
  return h('button', { type: 'button', class: 'icon', 'aria-label': label, title: label, onclick, ...attributes }, icon);
}

const formats = [2, 3, 4, 5, 6].map(
  (digits) => new Intl.NumberFormat('en', { maximumSignificantDigits: digits, useGrouping: true }),
);
export function format(value: number, digits = 4): string {
  if (Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(digits - 2).replace(/-/g, '−').replace('e+', 'e');
  return formats[digits - 2].format(value).replace('-', '−');
}
const whole = new Intl.NumberFormat('en');
export const integer = (value: number): string => whole.format(value);

export function frames<T extends unknown[]>(action: (...given: T) => void): (...given: T) => void {
  let latest: T | null = null;
  return (...given) => {
    const waiting = latest !== null;
    latest = given;
    if (waiting) return;
    requestAnimationFrame(() => {
      const now = latest as T;
      latest = null;
      action(...now);
    });
  };
}

export function later(action: () => void, wait: number): () => void {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(action, wait);
  };
}

export function save(content: Blob | string, filename: string): void {
  const blob = typeof content === 'string' ? new Blob([content], { type: 'text/csv;charset=utf-8' }) : content;
  const url = URL.createObjectURL(blob);
  const link = h('a', { href: url, download: filename });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = window.devicePixelRatio || 1;
  const [w, t] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== t) [canvas.width, canvas.height] = [w, t];
  const context = canvas.getContext('2d');
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
