// Plays a .vrma on a .vrm with three-vrm and prints where its bones are, and its expressions, at the given times [s].
// node vrma_avatar.mjs AVATAR.vrm FILE.vrma T ... -> [{bones: {name: [x, y, z]}, expressions: {name: 0..1}}, ...]
import { readFileSync } from "node:fs";
import { VRMAnimationLoaderPlugin, createVRMAnimationClip } from "@pixiv/three-vrm-animation";
import { VRMLoaderPlugin } from "@pixiv/three-vrm";
import { AnimationMixer, Vector3 } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

const [avatar, file, ...times] = process.argv.slice(2);
globalThis.self ??= globalThis; // three.js looks for a window's URL
const loader = new GLTFLoader();
loader.register((parser) => new VRMLoaderPlugin(parser));
loader.register((parser) => new VRMAnimationLoaderPlugin(parser));

async function load(path) {
  const bytes = readFileSync(path);
  return loader.parseAsync(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), "");
}

const { vrm } = (await load(avatar)).userData;
const [animation] = (await load(file)).userData.vrmAnimations;
const mixer = new AnimationMixer(vrm.scene);
mixer.clipAction(createVRMAnimationClip(animation, vrm)).play();
const seen = times.map((time) => {
  mixer.setTime(Number(time));
  vrm.update(0);
  vrm.scene.updateMatrixWorld(true);
  const bones = {};
  for (const [name, bone] of Object.entries(vrm.humanoid.humanBones)) {
    bones[name] = bone.node.getWorldPosition(new Vector3()).toArray();
  }
  const expressions = {};
  for (const { expressionName, weight } of vrm.expressionManager?.expressions ?? []) expressions[expressionName] = weight;
  return { bones, expressions };
});
console.log(JSON.stringify({ restHips: animation.restHipsPosition.toArray(), seen }));
