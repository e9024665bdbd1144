// SPDX-License-Identifier: MIT
#pragma once
// The script of a report. Without it everything can be read; with it the table of pictures sorts and filters, and a
// picture opens over the page, under an address of its own.

#include <string_view>

#include "../../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr std::string_view kPageScript = R"js(
(function () {
  'use strict';
  const root = document.documentElement;
  root.classList.add('js');
  const find = (selector, inside) => (inside || document).querySelector(selector);
  const all = (selector, inside) => Array.from((inside || document).querySelectorAll(selector));

  // Curves: a link to a class opens it; paper shows all.
  const openTarget = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === 'DETAILS') target.open = true;
  };
  window.addEventListener('beforeprint', () => all('details').forEach((d) => { d.open = true; }));

  const table = find('.pictures table');
  if (!table) {
    window.addEventListener('hashchange', openTarget);
    openTarget();
    return;
  }
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const form = find('form');
  const status = find('output', form);

  // Filtering
  const filter = () => {
    const wanted = {class: form.elements.class.value, outcome: form.elements.outcome.value};
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row) => {
      const outcome = row.dataset.outcome;
      const text = row.textContent.toLowerCase();
      row.hidden = !((!wanted.class || row.dataset.class === wanted.class) &&
        (!wanted.outcome || outcome === wanted.outcome ||
          (wanted.outcome === 'wrong' && (outcome === 'missed' || outcome === 'alarm'))) &&
        words.every((word) => text.includes(word)));
      shown += row.hidden ? 0 : 1;
    });
    status.textContent = shown === rows.length ? 'All ' + shown + ' pictures' :
      shown + ' of ' + rows.length + ' pictures';
  };
  form.addEventListener('input', filter);
  form.addEventListener('change', filter);
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('reset', () => setTimeout(filter, 0));
  all('[data-show]').forEach((link) => link.addEventListener('click', () => {
    form.reset();
    form.elements.outcome.value = link.dataset.show;
    filter();
  }));
  filter();

  // Sorting
  const compare = new Intl.Collator(undefined, {numeric: true}).compare;
  const heads = all('thead th', table);
  const key = (row, column) => row.cells[column].dataset.value;
  const sort = (head, column) => {
    const isNumber = head.classList.contains('n');
    const before = head.getAttribute('aria-sort');
    const isUp = before ? before === 'descending' : !isNumber;
    heads.forEach((other) => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', isUp ? 'ascending' : 'descending');
    const order = Array.from(body.rows);
    order.sort((a, b) => {
      const x = key(a, column), y = key(b, column);
      return (isNumber ? x - y : compare(x, y)) * (isUp ? 1 : -1);
    });
    body.append(...order);
  };
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('click', () => sort(head, column));
  });

  // Small pictures of the table are the large ones of the views: made when they come into sight.
  const fill = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    fill.unobserve(entry.target);
    const view = document.getElementById(entry.target.dataset.of);
    const images = view ? all('img', view) : [];
    const image = images[view && view.dataset.cover] || images[0];
    if (!image) return;
    const small = document.createElement('img');
    small.alt = '';
    small.src = image.src;
    entry.target.append(small);
  }), {rootMargin: '300px'});
  all('.thumb', table).forEach((place) => fill.observe(place));

  // Views
  const dialog = find('dialog');
  const slot = find('.slot', dialog);
  const where = find('.bar p', dialog);
  let home = null;  // where the open view came from
  let opener = null;  // the link that was followed; following it takes the focus away
  document.addEventListener('click', (event) => { opener = event.target.closest('a') || opener; });
  const open = () => slot.firstElementChild;
  const linked = () => Array.from(body.rows).filter((row) => !row.hidden && row.dataset.view);
  const putBack = () => {
    if (home) home.replaceWith(open());
    home = null;
  };
  const show = (view) => {
    if (view === open()) return;
    putBack();
    home = document.createComment('');
    view.replaceWith(home);
    slot.append(view);
    const order = linked().map((row) => row.dataset.view);
    const place = order.indexOf(view.id);
    where.textContent = place < 0 ? '' : place + 1 + ' of ' + order.length;
    dialog.setAttribute('aria-labelledby', find('h3', view).id);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };
  const step = (by) => {
    const order = linked().map((row) => row.dataset.view);
    if (!open() || !order.length) return;
    const place = order.indexOf(open().id);
    const next = place < 0 ? 0 : (place + by + order.length) % order.length;
    history.replaceState(null, '', '#' + order[next]);
    show(document.getElementById(order[next]));
  };
  const tidy = () => {
    if (!home) return;
    putBack();
    if (/^#picture-/.test(location.hash)) history.replaceState(null, '', location.pathname + location.search);
    if (opener && opener.isConnected) opener.focus({preventScroll: true});
  };
  const close = () => {
    dialog.close();
    tidy();  // now: the event comes later, when another view may be wanted already
  };
  const follow = () => {
    const view = /^#picture-\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
    if (view) show(view);
    else if (dialog.open) close();
    openTarget();
  };
  dialog.addEventListener('close', () => { if (!dialog.open) tidy(); });
  dialog.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === 'ArrowRight') step(1);
    else if (event.key === 'ArrowLeft') step(-1);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener('click', (event) => { if (event.target === dialog) close(); });
  find('[data-do=next]', dialog).addEventListener('click', () => step(1));
  find('[data-do=previous]', dialog).addEventListener('click', () => step(-1));
  find('[data-do=close]', dialog).addEventListener('click', close);
  window.addEventListener('hashchange', follow);
  follow();
})();
)js";

}}  // namespace moeclip::abi_v0_1
