// SPDX-License-Identifier: MIT
// node compare.mjs MODEL.onnx IMAGE.safetensors BENCH_ENCODER CLIP [ROUNDS [THREADS [f32|bf16|int8]]]
//
// Times ONNX Runtime and moeclip on the same image tower and picture, one pass each in turn, after checking that both
// give the same tokens (sum of squares; to a twentieth where either rounds its products, as quantize.py's models do). Prints medians and their ratio: of processor time on one thread, so that
// neighbours on the machine count little, of wall-clock time on more. random_clip.py makes weights and a picture. Needs
// `npm i onnxruntime-node` (--ignore-scripts leaves out its downloads for GPUs).
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const [model, imageFile, encoder, clip, rounds = '7', threads = '2', precision = 'f32'] = process.argv.slice(2);
const ort = createRequire(process.cwd() + '/')('onnxruntime-node');

function readImage(path) {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const { shape, data_offsets: [begin] } = JSON.parse(bytes.subarray(8, 8 + length).toString())['inputs/image'];
  const size = 3 * shape[2] * shape[3];
  const at = 8 + length + begin;
  return new ort.Tensor('float32', new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + 4 * size)),
                        [1, 3, shape[2], shape[3]]);
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const child = spawn(encoder, [clip, imageFile, threads, '1', precision], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
await lines.next();  // "ready"
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: Number(threads), interOpNumThreads: 1 });
const image = readImage(imageFile);

async function runOurs() {
  child.stdin.write('\n');
  return (await lines.next()).value.split(' ').map(Number);
}
async function runTheirs() {
  const start = process.hrtime.bigint(), startOfProcessor = process.cpuUsage();
  const { tokens } = await session.run({ image });
  const { user, system } = process.cpuUsage(startOfProcessor);
  const ms = threads === '1' ? (user + system) / 1e3 : Number(process.hrtime.bigint() - start) / 1e6;
  let sum = 0, square = 0;
  for (const value of tokens.data) { sum += value; square += value * value; }
  return [ms, sum, square];
}

const [, , ourSquare] = await runOurs();
const [, , theirSquare] = await runTheirs();
const bound = precision === 'f32' ? 1e-4 : 0.05;
if (!(Math.abs(ourSquare - theirSquare) <= bound * theirSquare))
  throw new Error(`different tokens: sum of squares ${ourSquare} against ${theirSquare}`);
const ours = [], theirs = [];
const rest = () => new Promise((done) => setTimeout(done, 200));  // until the other's threads have stopped spinning
for (let round = 0; round < Number(rounds); ++round) {
  await rest();
  ours.push((await runOurs())[0]);
  await rest();
  theirs.push((await runTheirs())[0]);
  console.log(`round ${round + 1}: moeclip ${ours.at(-1).toFixed(0)} ms, ONNX Runtime ${theirs.at(-1).toFixed(0)} ms`);
}
console.log(`median: moeclip ${median(ours).toFixed(0)} ms, ONNX Runtime ${median(theirs).toFixed(0)} ms, ` +
            `ratio ${(median(ours) / median(theirs)).toFixed(3)} (${threads} threads, ${precision})`);
child.stdin.end();
