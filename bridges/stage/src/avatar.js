// Bodies: the house dancer in its suit, and whatever humanoid .vrm or .glb is dropped on the page.

import { Box3, Group, Matrix4, Quaternion, Vector3 } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { VRMLoaderPlugin, VRMUtils } from "@pixiv/three-vrm";
import { HOUSE_JOINTS, VRM_BONES, matchBones } from "./bones.js";
import { facingYaw, makeRig, retarget } from "./retarget.js";

const USUAL_HEIGHT_M = 1.72;

/** A file that cannot dance; the message is one line for the side panel. */
export class AvatarError extends Error {}

/**
 * Read a .vrm or humanoid .glb.
 * @param {ArrayBuffer} bytes
 * @param {string} name shown on the page
 * @param {{parents: number[], offsets: number[][]}} skeleton the house skeleton of the first message
 */
export async function loadAvatar(bytes, name, skeleton) {
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser));
  let gltf;
  try {
    gltf = await loader.parseAsync(bytes, "");
  } catch (error) {
    throw new AvatarError(`${name} is not a readable .vrm or .glb (${error.message})`);
  }
  const vrm = gltf.userData.vrm;
  return vrm ? new VrmBody(vrm, name, skeleton) : new GlbBody(gltf.scene, name, skeleton);
}

class Body {
  constructor(name, model) {
    this.name = name;
    this.unmapped = [];
    this.group = new Group();
    this.group.add(model);
    this.hip = new Vector3(0, 1, 0);
    this.lit = null; // a suit that answers to the music, if it wears one
    model.traverse((node) => {
      if (!node.isMesh) return;
      node.frustumCulled = false; // bones carry it far from its rest bounds
      node.castShadow = true;
      node.receiveShadow = true;
    });
  }

  skinned() {
    const found = [];
    this.group.traverse((node) => node.isSkinnedMesh && found.push(node));
    return found;
  }

  dispose() {
    this.group.removeFromParent();
    VRMUtils.deepDispose(this.group);
  }
}

/** VRM 0 and 1: three-vrm's normalised humanoid stands in T-pose with identity rotations, so locals go straight in. */
class VrmBody extends Body {
  constructor(vrm, name, skeleton) {
    super(name, vrm.scene);
    this.vrm = vrm;
    VRMUtils.rotateVRM0(vrm);
    this.back = vrm.meta?.metaVersion === "0"; // VRM 0 models face -Z in their own frame
    const human = vrm.humanoid;
    this.nodes = [];
    const bones = [];
    this.group.updateMatrixWorld(true);
    const floor = new Box3().setFromObject(vrm.scene, true).min.y;
    VRM_BONES.forEach((bone, joint) => {
      const node = human.getNormalizedBoneNode(bone);
      if (!node) return;
      let parent = -1;
      for (let up = node.parent; up && parent < 0; up = up.parent) parent = this.nodes.indexOf(up);
      const at = node.getWorldPosition(new Vector3());
      this.nodes.push(node);
      bones.push({ parent, joint, rotation: [0, 0, 0, 1], position: [at.x, at.y - floor, at.z] });
    });
    this.floor = floor;
    this.rig = makeRig(bones, skeleton);
    this.rest = this.nodes[this.rig.hip_bone].parent;
    relaxFingers(human, this.back);
  }

  /** Put the body into one house pose. */
  apply(root, rotations, delta_s) {
    const { locals, hip } = retarget(this.rig, root, rotations);
    this.nodes.forEach((node, i) => {
      const [x, y, z, w] = locals[i];
      if (this.back) node.quaternion.set(-x, y, -z, w);
      else node.quaternion.set(x, y, z, w);
    });
    this.hip.set(hip[0], hip[1], hip[2]);
    const node = this.nodes[this.rig.hip_bone];
    node.position.copy(this.rest.worldToLocal(node.position.set(hip[0], hip[1] + this.floor, hip[2])));
    this.vrm.update(delta_s);
  }
}

/** The house skeleton has no fingers; straight ones look like a mannequin's, so they rest in a loose curl. */
function relaxFingers(human, back) {
  const axis = new Vector3();
  for (const side of ["left", "right"]) {
    const sign = (side === "left" ? -1 : 1) * (back ? -1 : 1);
    ["Index", "Middle", "Ring", "Little"].forEach((finger, f) => {
      ["Proximal", "Intermediate", "Distal"].forEach((part, k) => {
        const node = human.getNormalizedBoneNode(`${side}${finger}${part}`);
        node?.quaternion.setFromAxisAngle(axis.set(0, 0, 1), sign * (0.2 + 0.07 * f + 0.1 * k) * (back ? -1 : 1));
      });
    });
    for (const part of ["Proximal", "Distal"]) {
      const node = human.getNormalizedBoneNode(`${side}Thumb${part}`);
      node?.quaternion.setFromAxisAngle(axis.set(0, 1, 0), (side === "left" ? 1 : -1) * 0.25);
    }
  }
}

/** Any other humanoid: bones found by name, turned to +Z, scaled when it is a giant or a toy, retargeted in world space. */
class GlbBody extends Body {
  constructor(scene, name, skeleton) {
    super(name, scene);
    const turner = new Group();
    turner.add(scene);
    this.group.add(turner);
    const nodes = [];
    scene.traverse((node) => nodes.push(node));
    const rigged = nodes.some((node) => node.isBone);
    const parents = nodes.map((node) => nodes.indexOf(node.parent));
    const named = nodes.map((node, i) => ({ name: rigged && !node.isBone ? "" : node.userData.name ?? node.name, parent: parents[i] }));
    const { joints, unmapped, missing } = matchBones(named);
    this.unmapped = unmapped;
    if (missing.length) throw new AvatarError(`${name} has no ${missing.join(", ")}: its bones could not be told apart by name`);
    this.stand(turner, scene, nodes, joints);
    const turn = new Quaternion();
    const at = new Vector3();
    const bones = nodes.map((node, i) => ({
      parent: parents[i], joint: joints[i],
      rotation: node.getWorldQuaternion(turn).toArray(), position: node.getWorldPosition(at).toArray(),
    }));
    this.rig = makeRig(bones, skeleton);
    this.nodes = nodes;
    this.from_model = new Matrix4().copy(nodes[this.rig.hip_bone].parent.matrixWorld).invert();
    this.missing_optional = HOUSE_JOINTS.filter((_, j) => !joints.includes(j));
  }

  /** Face +Z, stand on the floor at the origin, be of human size. */
  stand(turner, scene, nodes, joints) {
    this.group.updateMatrixWorld(true);
    const points = nodes.map((node) => node.getWorldPosition(new Vector3()).toArray());
    turner.rotation.y = facingYaw(points, joints);
    this.group.updateMatrixWorld(true);
    let box = new Box3().setFromObject(scene, true);
    if (box.isEmpty()) nodes.forEach((node) => box.expandByPoint(node.getWorldPosition(new Vector3())));
    const height = box.max.y - box.min.y;
    if (!(height > 0)) throw new AvatarError(`${this.name} has no height: is it Y up?`);
    const scale = height < 0.4 || height > 4 ? USUAL_HEIGHT_M / height : 1;
    turner.scale.setScalar(scale);
    const hip = nodes[joints.indexOf(0)].getWorldPosition(new Vector3());
    turner.position.set(-hip.x * scale, -box.min.y * scale, -hip.z * scale);
    this.group.updateMatrixWorld(true);
  }

  apply(root, rotations) {
    const { locals, hip } = retarget(this.rig, root, rotations);
    this.rig.bones.forEach((bone, i) => {
      if (bone.joint >= 0) this.nodes[i].quaternion.fromArray(locals[i]);
    });
    this.hip.fromArray(hip);
    this.nodes[this.rig.hip_bone].position.fromArray(hip).applyMatrix4(this.from_model);
  }
}
