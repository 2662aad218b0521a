// The data of a page, and what all its parts use.

const data = JSON.parse(document.getElementById('data').textContent);

function byId(id) {
  return document.getElementById(id);
}

/** Make an element; text goes in as text, so that names cannot become markup. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function fillSelect(select, labels, firstValue = 0) {
  select.replaceChildren(...labels.map((label, index) => new Option(label, index + firstValue)));
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
