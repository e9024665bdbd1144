// SPDX-License-Identifier: MIT
// usage: package.mjs PICTURE MODEL GOOD...     prints as JSON what the package says; run where it is installed.
import { readFile } from 'node:fs/promises';
import { Moeclip, MoeclipError } from 'moeclip';

const [picture, model, ...good] = process.argv.slice(2);
const steps = [];
const moeclip = await Moeclip.load({ onStep: (done, total) => steps.push([done, total]) });
const bytes = await readFile(picture);
const judge = () => {
  const found = moeclip.judge(bytes, picture);
  return { ...found, values: Array.from(found.map.values), shown: null, map: null };
};
const errors = [];
const failing = async (call) => {
  try {
    await call();
  } catch (error) {
    errors.push([error instanceof MoeclipError, error.code, error.message]);
  }
};

const said = { about: moeclip.about() };
await failing(() => moeclip.judge(bytes));
await moeclip.useBuiltin();
said.builtin = judge();
const { figures, ...told } = moeclip.explain();
said.figures = figures.map(({ title, png }) => [title, png[1] === 0x50]);
said.told = told;
moeclip.select('scalar');
await moeclip.useBuiltin();
said.scalar = judge();
moeclip.select('simd128');
await failing(() => moeclip.select('avx2'));
await moeclip.useFile(await readFile(model), model);
said.file = judge();
for (const name of good) moeclip.addGood(await readFile(name), name);
const { file, ...learned } = moeclip.learn();
said.learned = { ...learned, size: file.length };
said.byGood = judge();
await failing(() => moeclip.useFile(file.slice(0, 1000), 'cut.moeclip'));
said.after = judge();
console.log(JSON.stringify({ ...said, steps, errors }));
