// The texts of the page, in the language of the participant.

let language = '';

/** A text, with what stands for its places in braces. */
function text(name, places = {}) {
  return data.texts[language][name].replace(/{(\w+)}/g, (place, key) => places[key] ?? place);
}

/** The language that was chosen before, or that the browser asks for, or the first one. */
function firstLanguage(chosen) {
  const known = Object.keys(data.texts);
  const wanted = [chosen, ...navigator.languages, ...navigator.languages.map((each) => each.split('-')[0])];
  return wanted.find((each) => known.includes(each)) ?? known[0];
}

function showLanguage(chosen) {
  language = chosen;
  document.documentElement.lang = chosen;
  document.title = text('title');
  for (const element of document.querySelectorAll('[data-text]')) {
    element.textContent = text(element.dataset.text, {side: element.dataset.side});
  }
  for (const element of document.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', text(element.dataset.label));
    element.title = text(element.dataset.label);
  }
  byId('consent').replaceChildren(...text('consent').split(/\n{2,}/).map((part) => make('p', {textContent: part})));
}

function setUpLanguages() {
  const select = byId('language');
  const languages = Object.keys(data.texts);
  fillSelect(select, languages.map((each) => data.texts[each].language_name));
  select.hidden = languages.length < 2;
  select.addEventListener('change', () => showLanguage(languages[select.value]));
  showLanguage(firstLanguage(null));
  select.value = languages.indexOf(language);
}

/** Tell what went wrong; without a name, that all is well again. */
function notify(name) {
  byId('notice').hidden = !name;
  byId('notice').textContent = name ? text(name) : '';
}
