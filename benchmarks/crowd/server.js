// The peer: Node's Socket.IO server, as its documentation has it, told what to do as hub_server.py is.
const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { Server } = require("socket.io");

const rooms = Number(process.argv[2]);
const http = createServer();
const io = new Server(http, { transports: ["websocket"], pingInterval: 10000, pingTimeout: 10000, serveClient: false });
let joined = 0;
io.on("connection", (socket) => {
  socket.join(`room:${joined++ % rooms}`);
  socket.on("call.hang_up", (_call, answer) => answer({ ok: {} }));
});

const text = "x".repeat(100);
let sent = 0;
function publish(numbered) {
  const notice = { topic: `room:${sent % rooms}`, seq: sent, type: "crowd.beat", at: Number(process.hrtime.bigint()), text };
  sent++;
  if (numbered) notice.n = sent;
  io.to(notice.topic).emit("notice", notice);
}
const cpu_s = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6; };
const say = (found) => process.stdout.write(JSON.stringify({ ...found, cpu_s: cpu_s(), rss: process.memoryUsage.rss() }) + "\n");

function pace(count, perSecond, done) {
  const from = process.hrtime.bigint();
  let said = 0;
  const timer = setInterval(() => {
    const due = Math.min(count, Number(process.hrtime.bigint() - from) / 1e9 * perSecond);
    for (; said < due; said++) publish();
    if (said === count) { clearInterval(timer); done(); }
  }, 1);
}

function burst(count, done) {
  let said = 0;
  const next = () => { if (said++ < count) { publish(); setImmediate(next); } else done(); };
  next();
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const [word, ...numbers] = line.split(" ");
  const [first, second] = numbers.map(Number);
  if (word === "pace") pace(first, second, () => say({}));
  else if (word === "burst") burst(first, () => say({}));
  else say({});
}).on("close", () => process.exit(0));
http.listen(0, "127.0.0.1", () => say({ port: http.address().port }));
