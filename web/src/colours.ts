/** Colours that people with colour-blindness tell apart, too. */

/** Okabe and Ito's, with a darker yellow and a gray for their black. */
const FIRST = ['#0072B2', '#E69F00', '#009E73', '#D55E00', '#56B4E9', '#CC79A7', '#B3A125', '#7A7A7A'];
/** Paul Tol's muted and bright colours, ordered so that neighbours differ in lightness. */
const MORE = [
  '#332288', '#DDCC77', '#117733', '#CC6677', '#88CCEE', '#882255', '#44AA99', '#AA4499', '#999933',
  '#EE7733', '#0077BB', '#EE3377', '#66CCEE', '#AA3377', '#228833', '#BBCC33',
];
const VIRIDIS = [
  '#440154', '#482475', '#414487', '#355f8d', '#2a788e', '#21918c', '#22a884', '#44bf70', '#7ad151',
  '#bddf26', '#fde725',
];

export const MISSING_COLOUR = '#9a9a9a';
export const SINGLE_COLOUR = '#2f7fb8';

export function categoryColours(count: number): string[] {
  const list = count <= 8 ? FIRST : [...FIRST.slice(0, 7), ...MORE];
  return Array.from({ length: count }, (_, k) => list[k % list.length]);
}

/** `size` colours from low to high. */
export function ramp(size = 256): string[] {
  const stops = VIRIDIS.map(channels);
  return Array.from({ length: size }, (_, k) => {
    const at = (k / (size - 1)) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    const share = at - low;
    const mixed = stops[low].map((one, j) => Math.round(one + share * (stops[low + 1][j] - one)));
    return hexOf(mixed);
  });
}

/** On a dark ground, dark colours become lighter. */
export function onDark(hex: string): string {
  const [r, g, b] = channels(hex);
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const share = Math.max(0, Math.min(0.5, (105 - light) / 160));
  return hexOf([r, g, b].map((one) => Math.round(one + share * (255 - one))));
}

function hexOf(rgb: number[]): string {
  return `#${rgb.map((one) => one.toString(16).padStart(2, '0')).join('')}`;
}

export function channels(hex: string): [number, number, number] {
  const value = parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
