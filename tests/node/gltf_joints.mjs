// Plays a .glb or .vrma with three.js and prints where every named node is, frame by frame.
// node gltf_joints.mjs FILE FPS FRAMES -> {"duration": s, "joints": {name: [[x, y, z], ...]}}
import { readFileSync } from "node:fs";
import { AnimationMixer, Vector3 } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

const [file, fps, frames] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const bytes = readFileSync(file);
const gltf = await new GLTFLoader().parseAsync(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), "");
const mixer = new AnimationMixer(gltf.scene);
const [clip] = gltf.animations;
mixer.clipAction(clip).play();
const joints = {};
for (let frame = 0; frame < frames; frame++) {
  mixer.setTime(Math.min(frame / fps, clip.duration - 1e-6));
  gltf.scene.updateMatrixWorld(true);
  gltf.scene.traverse((node) => {
    if (node.name) (joints[node.name] ??= []).push(node.getWorldPosition(new Vector3()).toArray());
  });
}
console.log(JSON.stringify({ duration: clip.duration, joints }));
