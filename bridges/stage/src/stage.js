// The room: floor, light, haze and camera. Knows bodies only as groups with a hip.

import {
  AmbientLight, BackSide, BoxGeometry, Color, ConeGeometry, DirectionalLight, DoubleSide, FogExp2, HalfFloatType, HemisphereLight, Mesh, MeshBasicMaterial,
  PCFShadowMap, PerspectiveCamera, PlaneGeometry, PMREMGenerator, Scene, ShaderMaterial, ShadowMaterial, SpotLight, Vector2, Vector3,
  WebGLRenderTarget, WebGLRenderer, ACESFilmicToneMapping, AdditiveBlending,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { Reflector } from "three/addons/objects/Reflector.js";
import { EffectComposer } from "three/addons/postprocessing/EffectComposer.js";
import { RenderPass } from "three/addons/postprocessing/RenderPass.js";
import { UnrealBloomPass } from "three/addons/postprocessing/UnrealBloomPass.js";
import { OutputPass } from "three/addons/postprocessing/OutputPass.js";

const NIGHT = 0x07080b;
const CAMERA_M = 5.2; // from the dancer, until a hand moves it
const LEVELS = [
  { name: "plain", ratio: 0.66, shadow: false, mirror: false, bloom: false },
  { name: "light", ratio: 1, shadow: true, mirror: false, bloom: false },
  { name: "full", ratio: 1.5, shadow: true, mirror: true, bloom: false },
  { name: "show", ratio: 2, shadow: true, mirror: true, bloom: true },
];
const SOFTWARE_HZ = 12;
const IDLE_ORBIT_S = 8; // the camera starts circling again this long after a hand let go

const FLOOR = {
  name: "Floor",
  uniforms: {
    color: { value: null }, tDiffuse: { value: null }, textureMatrix: { value: null },
    uNight: { value: new Color(NIGHT) }, uCold: { value: new Color(0x2b7f9c) }, uWarm: { value: new Color(0xff6a26) },
    uRoot: { value: new Vector2() }, uWave: { value: 9 }, uPulse: { value: 0 }, uMirror: { value: 1 }, uPower: { value: 1 },
  },
  vertexShader: /* glsl */ `
    uniform mat4 textureMatrix;
    varying vec4 vMirror; varying vec2 vFloor;
    void main() {
      vMirror = textureMatrix * vec4(position, 1.0);
      vec4 world = modelMatrix * vec4(position, 1.0);
      vFloor = world.xz;
      gl_Position = projectionMatrix * viewMatrix * world;
    }`,
  fragmentShader: /* glsl */ `
    uniform sampler2D tDiffuse; uniform vec3 color, uNight, uCold, uWarm; uniform vec2 uRoot;
    uniform float uWave, uPulse, uMirror, uPower;
    varying vec4 vMirror; varying vec2 vFloor;
    float grid(vec2 p, float width) {
      vec2 w = fwidth(p);
      vec2 d = abs(fract(p - 0.5) - 0.5);
      vec2 l = 1.0 - smoothstep(vec2(width), vec2(width) + w * 1.4, d);
      return max(l.x, l.y) * (1.0 - smoothstep(0.25, 0.7, max(w.x, w.y)));
    }
    vec3 mirrored() {
      vec2 uv = vMirror.xy / vMirror.w;
      vec3 sum = vec3(0.0);
      for (int i = -2; i <= 2; i++) for (int j = -1; j <= 1; j++)
        sum += min(texture2D(tDiffuse, uv + vec2(float(j) * 0.0022, float(i) * 0.0035)).rgb, vec3(2.0));
      return max(sum / 15.0 - uNight, vec3(0.0));
    }
    void main() {
      float r = length(vFloor - uRoot);
      float away = length(vFloor);
      float pool = exp(-r * r * 0.16);
      vec3 c = uNight + vec3(0.020, 0.023, 0.028) * pool * uPower;
      float lines = grid(vFloor, 0.006) * 0.55 + grid(vFloor * 4.0, 0.01) * 0.10;
      c += uCold * lines * (0.10 + 0.55 * pool) * uPower;
      float ring = exp(-pow((r - uWave * 2.2) * 5.0, 2.0)) * uPulse * exp(-r * 0.55);
      c += uWarm * ring * (0.05 + 0.5 * lines) * uPower;
      if (uMirror > 0.5) c += mirrored() * 0.42;
      gl_FragColor = vec4(c, 1.0 - smoothstep(3.0, 10.5, away)); // far away the floor melts into the night
      #include <tonemapping_fragment>
      #include <colorspace_fragment>
    }`,
};

export class Stage {
  /** @param {HTMLCanvasElement} canvas  @param {{clean: boolean, quality: string}} options */
  constructor(canvas, { clean, quality }) {
    this.clean = clean;
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: clean, powerPreference: "high-performance" });
    this.renderer.toneMapping = ACESFilmicToneMapping;
    this.renderer.toneMappingExposure = 1.1;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(32, 1, 0.1, 60);
    this.camera.position.set(1.4, 1.5, 4.98);
    this.follow = new Vector3(0, 0.94, 0);
    this.touched_s = -IDLE_ORBIT_S;
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.pinned = LEVELS.findIndex((level) => level.name === quality);
    this.makeControls(canvas);
    this.makeLights();
    this.makeSurroundings();
    this.makeFloor();
    if (clean) this.renderer.setClearColor(0, 0);
    else this.makeHaze();
    this.software = this.drawnInSoftware();
    this.setLevel(this.pinned >= 0 ? this.pinned : this.software ? 0 : LEVELS.length - 1);
    this.slow = 0;
    this.drawn_ms = 0;
  }

  /** Without a graphics card every pixel costs processor time that the show on the same machine may need. */
  drawnInSoftware() {
    const gl = this.renderer.getContext();
    const detail = gl.getExtension("WEBGL_debug_renderer_info");
    const name = detail ? gl.getParameter(detail.UNMASKED_RENDERER_WEBGL) : "";
    return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  }

  /** Whether to draw now; in software only a dozen times a second. */
  due(now_ms) {
    if (this.software && now_ms - this.drawn_ms < 1000 / SOFTWARE_HZ) return false;
    this.drawn_ms = now_ms;
    return true;
  }

  makeControls(canvas) {
    const controls = new OrbitControls(this.camera, canvas);
    controls.enableDamping = true;
    controls.enablePan = false;
    controls.minDistance = 2;
    controls.maxDistance = 11;
    controls.minPolarAngle = 0.35;
    controls.maxPolarAngle = Math.PI / 2 - 0.03;
    controls.autoRotateSpeed = -0.5;
    controls.target.copy(this.follow);
    controls.addEventListener("start", () => (this.touched_s = Infinity));
    controls.addEventListener("end", () => (this.touched_s = performance.now() / 1000));
    this.controls = controls;
  }

  makeLights() {
    this.key = new SpotLight(0xffe2c4, 60, 14, 0.5, 0.75, 1.6);
    this.key.castShadow = true;
    this.key.shadow.mapSize.set(1024, 1024);
    this.key.shadow.bias = -0.0006;
    this.key.shadow.normalBias = 0.02;
    this.key.shadow.radius = 5;
    this.cold = new DirectionalLight(0x59c8ff, 2.6);
    this.warm = new DirectionalLight(0xff7a3c, 2.2);
    this.scene.add(this.key, this.key.target, this.cold, this.cold.target, this.warm, this.warm.target, new HemisphereLight(0x8fa6c4, 0x14100d, 0.55));
    this.scene.add(new AmbientLight(0xffffff, 0.06));
  }

  /** What metal and gloss mirror: a dark room with soft boxes, drawn once. */
  makeSurroundings() {
    const room = new Scene();
    const box = (colour, gain, size, at) => {
      const material = new MeshBasicMaterial({ color: new Color(colour).multiplyScalar(gain), side: BackSide });
      const mesh = new Mesh(new BoxGeometry(...size), material);
      mesh.position.set(...at);
      room.add(mesh);
    };
    box(0x0b0d12, 1, [12, 8, 12], [0, 2, 0]);
    box(0xffe9d6, 7, [2.4, 0.1, 1.2], [1.5, 5.2, 2]);
    box(0x5cc8ff, 6, [0.1, 3.4, 1.1], [-5, 2, -1.5]);
    box(0xff7436, 5, [0.1, 3.0, 1.0], [5, 1.8, -1.5]);
    box(0xcfe4ff, 2.2, [0.8, 2.6, 0.1], [-2.2, 2, 5]);
    const maker = new PMREMGenerator(this.renderer);
    this.scene.environment = maker.fromScene(room, 0.03).texture;
    this.scene.environmentIntensity = 0.7;
    maker.dispose();
  }

  makeFloor() {
    const shade = new Mesh(new PlaneGeometry(24, 24), new ShadowMaterial({ opacity: this.clean ? 0.35 : 0.62 }));
    shade.rotation.x = -Math.PI / 2;
    shade.position.y = 0.002;
    shade.receiveShadow = true;
    this.shade = shade;
    this.scene.add(shade);
    if (this.clean) return;
    this.scene.background = new Color(NIGHT);
    this.scene.fog = new FogExp2(NIGHT, 0.045);
    this.floor = new Reflector(new PlaneGeometry(24, 24), {
      shader: FLOOR, textureWidth: 640, textureHeight: 640, multisample: 2, clipBias: 0.001,
    });
    this.floor.material.transparent = true;
    this.floor.renderOrder = -1; // under the shadow
    this.floor.rotation.x = -Math.PI / 2;
    this.mirror = this.floor.onBeforeRender;
    this.scene.add(this.floor);
  }

  /** Beams of light in the haze behind the dancer. */
  makeHaze() {
    this.beams = [[-2.6, -2.6, 0x3fb4e6, 0.34], [2.6, -2.8, 0xff6a2a, -0.34], [-0.9, -3.6, 0x8d6cff, 0.12], [0.9, -3.6, 0x8d6cff, -0.12]].map(([x, z, colour, lean]) => {
      const material = new ShaderMaterial({
        transparent: true, depthWrite: false, blending: AdditiveBlending, side: DoubleSide, fog: false,
        uniforms: { uColour: { value: new Color(colour) }, uGain: { value: 0 } },
        vertexShader: "varying vec2 vUv; varying vec3 vN; varying vec3 vV; void main(){ vUv = uv; vec4 m = modelViewMatrix * vec4(position,1.0); vN = normalize(normalMatrix * normal); vV = normalize(-m.xyz); gl_Position = projectionMatrix * m; }",
        fragmentShader: "uniform vec3 uColour; uniform float uGain; varying vec2 vUv; varying vec3 vN; varying vec3 vV; void main(){ float core = pow(abs(dot(normalize(vN), normalize(vV))), 2.5); float fall = pow(vUv.y, 1.8); gl_FragColor = vec4(uColour * core * fall * uGain, 1.0); }",
      });
      const beam = new Mesh(new ConeGeometry(0.75, 6.4, 40, 1, true), material);
      beam.position.set(x, 3.1, z);
      beam.rotation.z = lean;
      this.scene.add(beam);
      return beam;
    });
  }

  setLevel(level) {
    this.level = level;
    const { ratio, shadow, mirror, bloom } = LEVELS[level];
    this.ratio = Math.min(devicePixelRatio, this.software && level === 0 ? 0.5 : ratio);
    this.renderer.shadowMap.enabled = shadow;
    this.key.castShadow = shadow;
    this.shade.visible = shadow;
    if (this.floor) {
      this.floor.onBeforeRender = mirror ? this.mirror : () => {};
      this.floor.material.uniforms.uMirror.value = mirror ? 1 : 0;
    }
    this.composer?.dispose();
    this.composer = bloom && !this.clean ? this.makeBloom() : null;
    this.size = "";
  }

  makeBloom() {
    const target = new WebGLRenderTarget(4, 4, { type: HalfFloatType, samples: 4 });
    const composer = new EffectComposer(this.renderer, target);
    composer.addPass(new RenderPass(this.scene, this.camera));
    composer.addPass(new UnrealBloomPass(new Vector2(256, 256), 0.42, 0.55, 0.62));
    composer.addPass(new OutputPass());
    return composer;
  }

  get quality() {
    return LEVELS[this.level].name;
  }

  /** Follow the canvas; free: the part of the page [px] that no panel covers, where the dancer should stand. */
  fit(free) {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    const key = [width, height, this.ratio, free.left, free.top, free.right, free.bottom].join();
    if (!width || !height || key === this.size) return;
    this.size = key;
    this.renderer.setPixelRatio(this.ratio);
    this.renderer.setSize(width, height, false);
    this.composer?.setPixelRatio(this.ratio);
    this.composer?.setSize(width, height);
    const room = { w: free.right - free.left, h: free.bottom - free.top };
    // The dancer needs about 2.45 m of height and 1.7 m of width inside the free part.
    const tall = (2.45 * height) / room.h;
    const wide = (1.7 * width) / room.w / (width / height);
    this.camera.fov = Math.min(80, (2 * Math.atan(Math.max(tall, wide) / 2 / CAMERA_M) * 180) / Math.PI);
    this.camera.aspect = width / height;
    const dx = width / 2 - (free.left + free.right) / 2;
    const dy = height / 2 - (free.top + free.bottom) / 2;
    this.camera.setViewOffset(width, height, dx, dy, width, height);
    this.camera.updateProjectionMatrix();
  }

  /** Slower machines get less finery instead of fewer frames. */
  adapt(fps) {
    if (this.pinned >= 0 || this.level === 0) return;
    this.slow = fps < 34 ? this.slow + 1 : 0;
    if (this.slow >= 3) {
      this.slow = 0;
      this.setLevel(this.level - 1);
    }
  }

  /** mood: {wave, pulse, bands, power}; hip: Vector3 of the leading dancer. */
  light(mood, hip, delta_s) {
    const { wave, pulse, bands, power } = mood;
    const ease = 1 - Math.exp(-delta_s * 2.2);
    this.follow.x += (hip.x - this.follow.x) * ease;
    this.follow.z += (hip.z - this.follow.z) * ease;
    this.follow.y += (0.94 + (hip.y - 1) * 0.25 - this.follow.y) * ease;
    this.key.intensity = (64 + 30 * pulse) * power;
    this.key.color.setHSL(0.09 - 0.03 * bands[0], 0.55, 0.86 - 0.08 * bands[0]);
    for (const light of [this.key, this.cold, this.warm]) light.target.position.copy(this.follow);
    // Lights keep their side of the picture while the camera circles: the key in front, the rims behind.
    const seen = Math.atan2(this.camera.position.x - this.follow.x, this.camera.position.z - this.follow.z);
    const place = (light, turn, away_m, height_m) =>
      light.position.set(this.follow.x + away_m * Math.sin(seen + turn), height_m, this.follow.z + away_m * Math.cos(seen + turn));
    place(this.key, 0.35, 3.7, 4.6);
    place(this.cold, Math.PI + 0.85, 4.4, 2.4);
    place(this.warm, Math.PI - 0.9, 4.3, 1.6);
    this.cold.intensity = (2.0 + 2.6 * bands[3] + 0.6 * pulse) * power;
    this.cold.color.setHSL(0.55 + 0.06 * bands[3], 0.9, 0.64);
    this.warm.intensity = (1.7 + 2.6 * bands[0] + 0.6 * pulse) * power;
    this.warm.color.setHSL(0.055 + 0.03 * bands[1], 0.95, 0.6);
    this.beams?.forEach((beam, i) => {
      beam.material.uniforms.uGain.value = (0.06 + 0.14 * bands[[3, 0, 2, 2][i]] + 0.03 * pulse) * power;
      beam.rotation.y += delta_s * (i % 2 ? 0.05 : -0.05);
    });
    if (!this.floor) return;
    const floor = this.floor.material.uniforms;
    floor.uRoot.value.set(this.follow.x, this.follow.z);
    floor.uWave.value = wave;
    floor.uPulse.value = pulse;
    floor.uPower.value = power;
  }

  draw(delta_s) {
    const moved = this.follow.clone().sub(this.controls.target);
    this.camera.position.add(moved);
    this.controls.target.copy(this.follow);
    this.controls.autoRotate = !this.still && performance.now() / 1000 - this.touched_s > IDLE_ORBIT_S;
    this.controls.update(delta_s);
    if (this.composer) this.composer.render(delta_s);
    else this.renderer.render(this.scene, this.camera);
  }

  /** Page pixels of a point on stage. */
  toScreen(point) {
    const p = point.clone().project(this.camera);
    const { clientWidth, clientHeight } = this.renderer.domElement;
    return [((p.x + 1) / 2) * clientWidth, ((1 - p.y) / 2) * clientHeight];
  }
}
