// Receives COUNT OSC bundles with osc.js and prints their messages, one JSON list of [address, [arguments]] per bundle.
// Prints "port N" first. node osc_receiver.mjs COUNT
import osc from "osc";

const wanted = Number(process.argv[2]);
const bundles = [];
const port = new osc.UDPPort({ localAddress: "127.0.0.1", localPort: 0, metadata: false });

port.on("ready", () => console.log(`port ${port.socket.address().port}`));
port.on("bundle", (bundle) => {
  bundles.push(bundle.packets.map((packet) => [packet.address, packet.args]));
  if (bundles.length === wanted) {
    console.log(JSON.stringify(bundles));
    port.close();
  }
});
port.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
port.open();
