/** The panel of the model, and of what the numbers mean. */

import type { App } from './app';
import { h, integer, name } from './dom';

export function aboutPanel(app: App): HTMLElement {
  const { header } = app.model;
  const { model } = header;
  const facts = h('dl', { class: 'facts' });
  const add = (term: string, value: string): void => {
    facts.append(h('dt', {}, name(term)), h('dd', {}, name(value)));
  };
  add('Estimator', model.estimator);
  add('Rows', integer(header.n));
  add('Features', integer(header.D));
  add('Coordinates', `${header.d} (${header.axes.slice(0, 12).join(', ')}${header.axes.length > 12 ? ', …' : ''})`);
  if (app.model.rowCount < header.n) add('Rows whose data are here', integer(app.model.rowCount));
  model.facts.forEach(([term, value]) => add(term, value));
  add('isthmus', model.isthmus);
  const meaning = h('dl', { class: 'meaning' });
  header.measures.forEach((one) => meaning.append(h('dt', {}, name(one.name)), h('dd', {}, name(one.about))));
  const say = (term: string, text: string): void => meaning.append(h('dt', {}, term), h('dd', {}, text));
  if (app.model.decoder) say('decoded', 'The row that the decoder gives for a place on the map, computed in this page by the model’s own network.');
  if (header.support) {
    say('shaded', `Places whose ${header.support.k === 1 ? 'nearest point' : `${header.support.k} nearest points`} `
      + 'are farther than almost all points have theirs. The model saw no rows there: what it decodes is a guess.');
  }
  if (header.covariance) say('ellipses', 'One standard deviation of where the members of the ensemble put a row.');
  else if (header.deviation) say('ellipses', 'One standard deviation of the row’s place, as the encoder itself states it.');
  if (app.model.decoder && header.d > 1) say('arrows', 'The direction in which a feature rises most, per standard deviation of the feature; paler where no rows are near.');
  return h('div', { testid: 'about-panel' }, facts, h('h3', {}, 'What the numbers mean'), meaning,
    h('p', { class: 'muted small' }, 'This page works without a network and sends nothing.'));
}
