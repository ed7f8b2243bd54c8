/** The panel of the decoded place. */

import type { App } from './app';
import { format, h, later, name, replace } from './dom';
import type { Model } from './model';
import { Bars, painted, ranked } from './rowview';

export function placePanel(app: App): HTMLElement {
  const { model, store } = app;
  const coordinates = h('p', { class: 'coordinates', testid: 'place-coordinates' });
  const warning = h('p', { class: 'warning', testid: 'place-warning', hidden: true },
    'No rows near: unreliable');
  const hint = h('p', { class: 'muted' }, model.decoder
    ? 'Move over the map: here is the row that the model decodes at that place.'
    : '');
  const box = h('div', { class: 'decoded', hidden: true, testid: 'decoded' });
  const canvas = model.header.image
    ? h('canvas', { class: 'pixels', role: 'img', 'aria-label': 'Decoded image', testid: 'decoded-image' }) : null;
  const bars = new Bars(model, 'Decoded features, the most unusual first', 'decoded-bars');
  const details = canvas ? h('details', {}, h('summary', {}, 'Values'), bars.root) : null;
  if (canvas && details) {
    box.append(canvas, details);
    details.addEventListener('toggle', () => draw());
  } else {
    box.append(h('p', { class: 'muted small' },
      'Bars: distance from the mean in standard deviations. Numbers: the decoded value.'), bars.root);
  }
  const root = h('section', { class: 'card', 'aria-label': 'Decoded place', testid: 'place-panel' },
    h('div', { class: 'headline' }, h('h2', {}, 'Decoded here'), warning), hint, coordinates, box);
  if (!model.decoder) replace(hint, model.alarming ? 'Nothing is decoded: see the message above.' : model.trouble);

  const spoken = later(() => {
    const { place } = store.state;
    if (!place || !app.root.contains(document.activeElement)) return;
    app.announce(`${described(model, place)}${warning.hidden ? '' : ' No rows near.'}`);
  }, 700);

  const draw = (): void => {
    const { place } = store.state;
    if (!place) return;
    hint.hidden = Boolean(model.decoder);
    replace(coordinates, ...place.map((one, axis) => h('span', { title: model.header.axes[axis] },
      name(model.header.axes[axis] ?? '', { class: 'muted' }), h('b', {}, format(one)))));
    const supported = app.space.supported(place, app.view.scale[0], app.view.center);
    warning.hidden = supported !== false;
    if (!model.decoder) return;
    box.hidden = false;
    box.classList.toggle('doubtful', supported === false);
    const row = model.decode(place);
    if (canvas) painted(canvas, model, row);
    if (!details || details.open) bars.show(row);
    spoken();
  };
  store.on(['place'], draw);
  return root;
}

/** A place, and what is decoded there, to be read aloud. */
function described(model: Model, place: readonly number[]): string {
  const { axes, features, image } = model.header;
  const where = place.map((one, axis) => `${axes[axis]} ${format(one, 3)}`).join(', ');
  if (!model.decoder) return `${where}.`;
  if (image) return `${where}. Image decoded.`;
  const row = model.decode(place);
  const unusual = ranked(model, row, 3).map(({ feature }) => `${features.names[feature]} ${format(row[feature], 3)}`);
  return `${where}. ${unusual.join(', ')}.`;
}
