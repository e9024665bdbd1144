// SPDX-License-Identifier: MIT
// The page: what is dropped, chosen, taken or drawn goes to the worker, what comes back is shown and said.
'use strict';
(() => {
  const by = (id) => document.getElementById(id);
  const number = (value, digits = 3) => value.toFixed(digits);
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;
  const make = (tag, text = '', name = '') => Object.assign(document.createElement(tag), { textContent: text, className: name });

  // ---- the worker ----
  let worker;
  let waiting = new Map();
  let calls = 0;

  function start() {
    worker = new Worker('worker.js', { type: 'module' });
    worker.onmessage = ({ data }) => {
      if (data.step) return showStep(data.step);
      const { resolve, reject } = waiting.get(data.id);
      waiting.delete(data.id);
      if (data.error) reject(Object.assign(new Error(data.error.message), { code: data.error.code }));
      else resolve(data.result);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(`the program cannot be started${event.message ? `: ${event.message}` : ''}`);
      waiting.forEach(({ reject }) => reject(error));
      waiting = new Map();
    };
  }
  const call = (method, ...args) =>
    new Promise((resolve, reject) => {
      waiting.set((calls += 1), { resolve, reject });
      worker.postMessage({ id: calls, method, args });
    });

  // ---- one thing after the other, and errors in words ----
  let last = Promise.resolve();
  let pending = 0;

  function tell(error) {
    by('problem').textContent = error.message;
    by('problem').hidden = false;
  }
  /** Runs work() after all that was begun before; `says` is said meanwhile. */
  function run(says, work) {
    pending += 1;
    document.querySelector('main').setAttribute('aria-busy', 'true');
    last = last.then(async () => {
      by('problem').hidden = true;
      if (says) by('said').textContent = says;
      try {
        await work();
      } catch (error) {
        tell(error);
        if (says) by('said').textContent = 'No verdict.';
        if (error.code === 'broken') await restart();
      } finally {
        pending -= 1;
        if (pending === 0) document.querySelector('main').removeAttribute('aria-busy');
      }
    });
    return last;
  }
  /** A program that ended is loaded anew, with the built-in model; good pictures are lost with it. */
  async function restart() {
    worker.terminate();
    start();
    good = [];
    showGood();
    showModel(await call('useBuiltin', 'object'));
  }

  // ---- the model ----
  let model = null;
  let current = null;  // { name, bytes } of the picture that is shown

  function describe(told) {
    const { memory } = model;
    if (model.takes_any_class)
      return 'The built-in model judges, by words. It is a toy that knows drawn pictures: on photographs its verdicts are '
        + 'noise. Give it good pictures of your part below, or a model file.';
    if (!memory) return `${told} judges, by words about ${model.classes.join(', ')}.`;
    const of = `${told} judges, from ${counted(memory.pictures, 'good picture')}`;
    if (memory.held_out.length === 0)
      return `${of} of one thing. One thing says nothing about how much good ones differ: there are scores and maps, but no `
        + 'threshold. Give more pictures, or set a threshold yourself.';
    const wanted = memory.things < memory.wanted
      ? ` ${percent(memory.target)} would need ${memory.wanted} of them; the threshold lies above all.` : '';
    const twins = memory.things < memory.pictures
      ? ` The pictures show only ${counted(memory.things, 'thing')}: those alike up to light, place, turning and mirroring count once.` : '';
    return `${of}. Threshold ${number(memory.threshold)}; false alarms on new good pictures: ${percent(memory.expected)} `
      + `expected, up to ${percent(memory.high)} with 95 % confidence.${twins}${wanted}`;
  }
  let told = '';  // what the model is called
  function showModel(found, name = told) {
    model = found;
    told = name;
    by('model-says').textContent = describe(told);
    by('class-field').hidden = !model.takes_any_class && model.classes.length < 2;
    if (document.activeElement !== by('class')) by('class').value = model.class;  // nobody is typing there
    by('classes').replaceChildren(...(model.takes_any_class ? [] : model.classes).map((one) => Object.assign(make('option'), { value: one })));
    if (model.threshold !== null && document.activeElement !== by('own-threshold')) by('own-threshold').value = number(model.threshold, 3);
  }
  /** Shows a model, and judges the picture anew by it. */
  async function change(found, name) {
    showModel(found, name);
    if (current) await judge(current);
  }

  // ---- the verdict ----
  function paint(canvas, pixels, width, height) {
    canvas.width = width;
    canvas.height = height;
    canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
  }
  function showBoxes(found) {
    const boxes = found.regions.map((region) => {
      const box = make('div', '', 'box');
      box.style.left = `${100 * region.x / found.width}%`;
      box.style.top = `${100 * region.y / found.height}%`;
      box.style.width = `${100 * region.width / found.width}%`;
      box.style.height = `${100 * region.height / found.height}%`;
      return box;
    });
    by('boxes').replaceChildren(...boxes);
    by('regions').replaceChildren(...found.regions.map((region, i) => {
      const row = make('tr');
      const button = Object.assign(make('button', `${i + 1}`), { type: 'button' });
      button.setAttribute('aria-label', `Region ${i + 1}: show it in the picture`);
      button.setAttribute('aria-pressed', 'false');
      const choose = () => boxes.forEach((box, other) => {
        const is = other === i && !box.classList.contains('chosen');
        box.classList.toggle('chosen', is);
        by('regions').rows[other].querySelector('button').setAttribute('aria-pressed', String(is));
      });
      button.onclick = choose;
      row.append(Object.assign(make('th'), { scope: 'row' }));
      row.firstChild.append(button);
      for (const text of [`${region.x}, ${region.y}`, `${region.width} x ${region.height}`, number(region.peak)])
        row.append(make('td', text, 'n'));
      return row;
    }));
    by('regions-says').textContent = found.regions.length === 0
      ? 'No place is above the threshold of pixels.'
      : `${counted(found.regions.length, 'region')} above the threshold of pixels, ${number(found.map.pixel_threshold)}, in pixels of the picture`;
    by('regions-frame').querySelector('thead').hidden = found.regions.length === 0;
  }
  function showScale(found) {
    const canvas = make('canvas');
    canvas.width = 256;
    canvas.height = 1;
    by('scale').replaceChildren(canvas);
    canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(found.map.scale.buffer), 256, 1), 0, 0);
    const top = found.map.kind === 'probability' ? 1 : 2 * found.map.pixel_threshold;
    by('scale-says').textContent = `The map, from 0 (dark) to ${number(top, 0)} (bright): how abnormal each place is.`;
  }
  function show(found) {
    by('found').hidden = false;
    by('stage').style.aspectRatio = `${found.shown.width} / ${found.shown.height}`;
    by('stage').style.width = `min(100%, ${Math.max(320, found.shown.width * 2)}px)`;
    paint(by('shown'), found.shown.pixels, found.shown.width, found.shown.height);
    paint(by('cover'), found.map.cover, found.map.width, found.map.height);
    showBoxes(found);
    showScale(found);
    by('score').textContent = number(found.score);
    by('threshold').textContent = found.threshold === null ? 'none' : number(found.threshold);
    by('threshold-from').textContent = found.threshold === null ? 'threshold' : `threshold (${found.threshold_source === '--threshold' ? 'your own' : found.threshold_source})`;
    by('milliseconds').textContent = number(found.milliseconds, 0);
    by('remark').textContent = found.remark && `The picture is not whole: ${found.remark}`;
    by('remark').hidden = !found.remark;
    const verdict = found.is_anomalous === null ? 'no verdict' : found.is_anomalous ? 'defect' : 'good';
    const word = make('b', verdict === 'defect' ? 'DEFECT' : verdict, verdict);
    const against = found.threshold === null ? '' : `, threshold ${number(found.threshold)}`;
    const toy = model.takes_any_class ? ' By the built-in toy model: on a photograph, noise.' : '';
    by('said').replaceChildren(word, `: score ${number(found.score)}${against}, ${counted(found.regions.length, 'region')} in ${found.image}.${toy}`);
    by('stage').setAttribute('aria-label', `${found.image} with its map: ${verdict}, score ${number(found.score)}`
      + (found.regions.length ? `, most abnormal at ${found.regions[0].peak_x}, ${found.regions[0].peak_y} of ${found.width} x ${found.height}` : ''));
  }
  let urls = [];  // of the figures
  function showExperts({ figures, sentence }) {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = figures.map((figure) => URL.createObjectURL(new Blob([figure.png], { type: 'image/png' })));
    by('experts').hidden = figures.length === 0;
    by('sentence').textContent = sentence || '';
    by('sentence').hidden = !sentence;
    by('figures').replaceChildren(...figures.map((figure, i) => {
      const part = make('div');
      const picture = Object.assign(make('img'), { src: urls[i], alt: figure.title, width: figure.width, height: figure.height });
      part.append(make('h3', figure.title), picture, make('p', figure.description));
      return part;
    }));
  }
  async function judge(picture) {
    const found = await call('judge', picture.bytes, picture.name);
    current = picture;
    show(found);
    showExperts(await call('explain'));
  }
  const judgeNow = (picture) => run(`Looking at ${picture.name} ...`, () => judge(picture));

  // ---- good pictures ----
  let good = [];  // { name, url }

  function showGood() {
    by('good-says').textContent = good.length ? `${counted(good.length, 'good picture')}.` : 'No good pictures yet.';
    by('learn').disabled = by('good-clear').disabled = good.length === 0;
    by('good-list').replaceChildren(...good.map(({ name, url }) => {
      const item = make('li');
      const picture = Object.assign(make('img'), { src: url, alt: name, title: name });
      picture.onerror = () => item.replaceChildren(name.split('.').pop());  // a format that only the library reads
      item.append(picture);
      return item;
    }));
  }
  async function keepGood({ name, bytes }) {
    await call('addGood', bytes, name);
    good.push({ name, url: URL.createObjectURL(new Blob([bytes])) });
    showGood();
  }
  const addGood = (pictures) => run('', async () => {
    const refused = [];
    for (const picture of pictures) {
      try {
        await keepGood(picture);
      } catch (error) {
        if (error.code === 'broken') throw error;
        refused.push(error.message);
      }
    }
    if (refused.length) throw new Error(refused.join(' '));
  });
  function showStep([done, total]) {
    by('progress').value = done / total;
    const i = done % good.length;
    by('good-says').textContent = `Learning: ${done < good.length ? 'looking at' : 'judging without itself'} ${i + 1} of ${good.length}`;
  }
  const learn = () => run(current ? 'Learning ...' : '', async () => {
    by('progress').hidden = false;
    by('learn').disabled = true;
    try {
      const found = await call('learn', { allDifferent: by('all-different').checked });
      URL.revokeObjectURL(by('save').href);
      by('save').href = URL.createObjectURL(new Blob([found.file]));
      by('save').hidden = false;
      await change(found, 'What this page learned');
    } finally {
      by('progress').hidden = true;
      showGood();
    }
  });

  // ---- files, the camera, drawn pictures ----
  const readFiles = (files) =>
    Promise.all(Array.from(files, async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
  const isModel = (name) => /\.(moeclip|safetensors)$/i.test(name);

  const useFile = ({ name, bytes }) => run('', async () => change(await call('useFile', bytes, name), name));
  async function takeFiles(files, asGood) {
    const all = await readFiles(files);
    all.filter(({ name }) => isModel(name)).forEach(useFile);
    const pictures = all.filter(({ name }) => !isModel(name));
    if (asGood && pictures.length) addGood(pictures);
    else pictures.forEach(judgeNow);
  }
  function accept(zone, input, asGood) {
    by(input).onchange = () => {
      takeFiles(by(input).files, asGood);
      by(input).value = '';  // the same file may be chosen again
    };
    by(zone).ondragover = () => by(zone).classList.add('over');
    by(zone).ondragleave = () => by(zone).classList.remove('over');
    by(zone).ondrop = (event) => {
      event.preventDefault();
      event.stopPropagation();
      by(zone).classList.remove('over');
      takeFiles(event.dataTransfer.files, asGood);
    };
  }
  accept('judge-drop', 'judge-file', false);
  accept('good-drop', 'good-file', true);
  accept('model-drop', 'model-file', false);
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    takeFiles(event.dataTransfer.files, false);
  };

  async function openCamera() {
    try {
      if (!navigator.mediaDevices) throw new Error('pages may use it only over https or on this machine');
      by('camera-view').srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      by('problem').hidden = true;
      by('camera').hidden = false;
      by('camera-judge').focus();
    } catch (error) {
      const why = { NotFoundError: 'none was found', NotAllowedError: 'it was not allowed', NotReadableError: 'another program uses it' };
      tell(new Error(`There is no picture from a camera: ${why[error.name] || error.message}.`));
    }
  }
  function closeCamera() {
    by('camera-view').srcObject.getTracks().forEach((track) => track.stop());
    by('camera-view').srcObject = null;
    by('camera').hidden = true;
    by('camera-open').focus();
  }
  let shots = 0;
  async function shoot() {
    const view = by('camera-view');
    const canvas = make('canvas');
    canvas.width = view.videoWidth;
    canvas.height = view.videoHeight;
    canvas.getContext('2d').drawImage(view, 0, 0);
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/png'); });
    return { name: `camera ${shots += 1}.png`, bytes: new Uint8Array(await blob.arrayBuffer()) };
  }
  by('camera-open').onclick = openCamera;
  by('camera-close').onclick = closeCamera;
  by('camera-judge').onclick = async () => judgeNow(await shoot());
  by('camera-good').onclick = async () => addGood([await shoot()]);

  let drawn = 2;
  const draw = async (defect) => {
    drawn += 1;
    return { name: `drawn wood ${drawn}${defect && ` with a ${defect}`}.png`, bytes: await call('draw', 'wood', defect, drawn) };
  };
  by('draw-defect').onclick = () => run('Drawing ...', async () => judge(await draw('hole')));
  by('draw-good').onclick = () => run('Drawing ...', async () => judge(await draw('')));
  by('good-draw').onclick = () => run('', async () => {
    for (let i = 0; i < 8; i += 1) await keepGood(await draw(''));
  });

  by('good-clear').onclick = () => run('', async () => {
    await call('clearGood');
    good.forEach(({ url }) => URL.revokeObjectURL(url));
    good = [];
    showGood();
  });
  by('learn').onclick = learn;
  const useBuiltin = () => run('', async () => change(await call('useBuiltin', 'object'), 'The built-in model'));
  by('builtin').onclick = useBuiltin;
  by('class').onchange = () => run('', async () => change(await call('setClass', by('class').value.trim() || 'object')));
  by('own-threshold').onchange = () => {
    const value = by('own-threshold').valueAsNumber;
    if (!(value >= 0 && value <= 1)) return tell(new Error('A threshold lies between 0 and 1.'));
    return run('', async () => change(await call('setThreshold', value)));
  };
  by('strength').oninput = () => { by('cover').style.opacity = by('strength').value / 100; };

  start();
  run('', async () => {
    const about = await call('about');
    showModel(await call('useBuiltin', 'object'), 'The built-in model');
    by('starting').hidden = true;
    by('about').textContent = `moeclip ${about.version} as WebAssembly, kernels ${about.isa}, ${counted(about.threads, 'thread')}. `
      + 'Nothing is sent anywhere.';
    document.documentElement.dataset.ready = '';
  });
})();
