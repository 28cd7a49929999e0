/** Posts the level of its input in dBFS (RMS), every 1,024 samples: 21 ms at 48 kHz. */
const WINDOW = 1024;
const FLOOR_DBFS = -100;

class Level extends AudioWorkletProcessor {
  constructor() {
    super();
    this.energy = 0;
    this.count = 0;
  }

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    for (const sample of samples) this.energy += sample * sample;
    this.count += samples.length;
    if (this.count >= WINDOW) {
      const mean = this.energy / this.count;
      this.port.postMessage(mean > 0 ? Math.max(FLOOR_DBFS, 10 * Math.log10(mean)) : FLOOR_DBFS);
      this.energy = 0;
      this.count = 0;
    }
    return true;
  }
}

registerProcessor('level', Level);
