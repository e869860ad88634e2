"""A body drawn from joint positions: shaded limbs of round cross-section, nearer ones in front. Pure numpy.

Every limb is a sphere whose radius grows or shrinks evenly while its centre moves along the bone; seen from far away
(parallel rays) the depth of its surface has a closed form, so a picture is exact at every pixel and the same on every
machine. Left limbs are blue, right limbs red; positions do not say where a head looks, so the visor shows where the
chest does.
"""

from dataclasses import dataclass

import numpy as np

from engine.skeleton import JOINTS

Colour = tuple[float, float, float]
SOLE_M = 0.03  #: skin under a foot joint: the drawn floor lies this far under y = 0
_AT = {name: k for k, name in enumerate(JOINTS)}
_LIGHT = np.array([-0.42, 0.62, 0.66])  #: towards the lamp, in the picture's frame
_EDGE_M = 0.05  #: a step in depth of this much gets an outline


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a body, 0-1."""

    core: Colour
    left: Colour
    right: Colour
    visor: Colour
    outline: Colour


PAPER = Palette((0.60, 0.61, 0.66), (0.20, 0.47, 0.90), (0.90, 0.27, 0.24), (0.16, 0.17, 0.2), (0.08, 0.09, 0.12))
STAGE = Palette((0.88, 0.88, 0.92), (0.30, 0.60, 1.0), (1.0, 0.42, 0.36), (0.10, 0.11, 0.16), (0.03, 0.03, 0.06))


def view_from(yaw_rad: float = 0.0, down_rad: float = 0.0) -> np.ndarray:
    """Rows (3, 3): picture right, picture up, towards the eye.

    Yaw 0 looks at the dancer from +Z (its left is on the right of the picture), pi / 2 from +X; ``down_rad`` raises the
    eye.
    """
    s, c = np.sin(yaw_rad), np.cos(yaw_rad)
    right, eye = np.array([c, 0.0, -s]), np.array([s, 0.0, c])
    up = np.array([0.0, 1.0, 0.0])
    return np.stack(
        [right, np.cos(down_rad) * up - np.sin(down_rad) * eye, np.sin(down_rad) * up + np.cos(down_rad) * eye]
    )


FRONT = view_from()
SIDE = view_from(np.pi / 2)


@dataclass(frozen=True, slots=True)
class Camera:
    """Parallel rays onto a picture of ``width`` x ``height`` pixels."""

    view: np.ndarray  #: (3, 3), see ``view_from``
    pixels_per_m: float
    width: int
    height: int
    left_m: float  #: picture coordinate of the left edge (view @ position)
    top_m: float

    def pixels(self, positions: np.ndarray) -> np.ndarray:
        """Points (..., 3) [m] as (..., 3): pixels to the right, pixels down, pixels towards the eye."""
        seen = np.asarray(positions, np.float64) @ self.view.T
        x, y = (seen[..., 0] - self.left_m), (self.top_m - seen[..., 1])
        return np.stack([x, y, seen[..., 2]], axis=-1) * self.pixels_per_m


@dataclass(frozen=True, slots=True)
class Limbs:
    """Round limbs of a body: from a to b, radius ra to rb."""

    a: np.ndarray  #: (P, 3) [m]
    b: np.ndarray  #: (P, 3) [m]
    ra: np.ndarray  #: (P,) [m]
    rb: np.ndarray  #: (P,) [m]
    colours: np.ndarray  #: (P, 3)


def _unit(v: np.ndarray, otherwise: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> np.ndarray:
    length = float(np.linalg.norm(v))
    return v / length if length > 1e-6 else np.array(otherwise)


def limbs(positions: np.ndarray, palette: Palette = PAPER) -> Limbs:
    """The limbs of joint positions (22, 3) [m]."""
    p = {name: np.asarray(positions[k], np.float64) for name, k in _AT.items()}
    across = _unit(p["left_shoulder"] - p["right_shoulder"], (1.0, 0.0, 0.0))
    up = _unit(p["neck"] - p["spine2"], (0.0, 1.0, 0.0))
    core = palette.core
    hip_mid = 0.5 * (p["left_hip"] + p["right_hip"])
    waist = 0.5 * (p["spine1"] + p["spine2"])
    chest = p["spine3"] + 0.045 * up
    parts = [
        (hip_mid + 0.62 * (p["left_hip"] - hip_mid), hip_mid + 0.62 * (p["right_hip"] - hip_mid), 0.108, 0.108, core),
        (p["pelvis"], waist, 0.112, 0.1, core),
        (waist, chest + 0.088 * across, 0.1, 0.092, core),
        (waist, chest - 0.088 * across, 0.1, 0.092, core),
        (chest + 0.088 * across, chest - 0.088 * across, 0.092, 0.092, core),
        (chest + 0.02 * up, p["neck"], 0.1, 0.058, core),
        (p["neck"], p["head"], 0.056, 0.056, core),
        *_head(p, up, across, palette),
    ]
    for side, colour in (("left", palette.left), ("right", palette.right)):
        parts += _arm(p, side, chest, colour) + _leg(p, side, colour)
    a, b, ra, rb, colours = zip(*parts, strict=True)
    return Limbs(np.array(a), np.array(b), np.array(ra), np.array(rb), np.array(colours))


def _head(p: dict, up: np.ndarray, across: np.ndarray, palette: Palette) -> list[tuple]:
    crown = _unit(p["head"] - p["neck"], (0.0, 1.0, 0.0))
    crown = _unit(0.6 * crown + 0.4 * up)
    front = _unit(np.cross(across, crown))
    eyes = p["head"] + 0.088 * crown + 0.07 * front
    return [
        (p["head"] + 0.035 * crown, p["head"] + 0.105 * crown, 0.084, 0.104, palette.core),
        (eyes + 0.046 * across, eyes - 0.046 * across, 0.042, 0.042, palette.visor),
    ]


def _arm(p: dict, side: str, chest: np.ndarray, colour: Colour) -> list[tuple]:
    shoulder, elbow, wrist = (p[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
    along = _unit(wrist - elbow)
    return [
        (0.3 * chest + 0.7 * p[f"{side}_collar"], shoulder, 0.078, 0.066, colour),
        (shoulder, elbow, 0.06, 0.045, colour),
        (elbow, wrist, 0.047, 0.033, colour),
        (wrist + 0.02 * along, wrist + 0.115 * along, 0.038, 0.03, _pale(colour)),
    ]


def _leg(p: dict, side: str, colour: Colour) -> list[tuple]:
    hip, knee, ankle, toe = (p[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle", "foot"))
    shin, toes = _unit(ankle - knee, (0.0, -1.0, 0.0)), _unit(toe - ankle)
    # In the rest pose the toe joint lies 25 degrees below the sole's direction; the heel goes with the foot.
    hinge = _unit(np.cross(toes, shin), (1.0, 0.0, 0.0))
    down = np.cross(hinge, toes)
    sole, under = 0.91 * toes - 0.42 * down, 0.42 * toes + 0.91 * down
    heel = ankle - 0.045 * sole + 0.05 * under
    foot = _pale(colour)
    return [
        (hip, knee, 0.09, 0.062, colour),
        (knee, knee + 0.42 * (ankle - knee), 0.06, 0.06, colour),
        (knee + 0.42 * (ankle - knee), ankle, 0.06, 0.041, colour),
        (ankle, heel, 0.042, 0.037, foot),
        (ankle, toe, 0.043, 0.03, foot),
        (heel, toe + 0.025 * sole, 0.036, 0.03, foot),
    ]


def _pale(colour: Colour) -> Colour:
    return tuple(0.62 * c + 0.38 for c in colour)


def render(positions: np.ndarray, camera: Camera, palette: Palette = PAPER, *, finer: int = 2) -> np.ndarray:
    """A picture (height, width, 4) float32 of a body (22, 3): colour times opacity, and opacity.

    ``finer`` squared samples are taken for each pixel. What lies outside the picture is cut off; a body that is not
    finite is not drawn.
    """
    height, width, scale = camera.height * finer, camera.width * finer, camera.pixels_per_m * finer
    if not np.isfinite(positions).all():
        return np.zeros((camera.height, camera.width, 4), np.float32)
    body = limbs(positions, palette)
    depth = np.full((height, width), -np.inf, np.float32)
    colour = np.zeros((height, width, 3), np.float32)
    a, b = (camera.pixels(end) * finer for end in (body.a, body.b))
    for k in range(len(a)):
        _draw(depth, colour, a[k], b[k], body.ra[k] * scale, body.rb[k] * scale, body.colours[k])
    inside = np.isfinite(depth)
    colour = np.where(_outline(depth, scale)[..., None], np.float32(palette.outline), colour)
    picture = np.concatenate([colour * inside[..., None], inside[..., None].astype(np.float32)], axis=-1)
    return picture.reshape(camera.height, finer, camera.width, finer, 4).mean(axis=(1, 3))


def _draw(
    depth: np.ndarray, colour: np.ndarray, a: np.ndarray, b: np.ndarray, ra: float, rb: float, base: np.ndarray
) -> None:
    """One limb into depth (H, W) and colour (H, W, 3), where it is nearer than what is there. All in pixels."""
    height, width = depth.shape
    left, top = np.floor(np.minimum(a[:2] - ra, b[:2] - rb)).astype(int)
    right, bottom = np.ceil(np.maximum(a[:2] + ra, b[:2] + rb)).astype(int) + 1
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right)[None, :] + 0.5 - a[0]
    y = np.arange(top, bottom)[:, None] + 0.5 - a[1]
    t, height2 = surface(x, y, b - a, ra, rb)
    hit = height2 > 0
    rise = np.sqrt(np.maximum(height2, 0.0))
    z = a[2] + t * (b[2] - a[2]) + rise
    window = depth[top:bottom, left:right]
    nearer = hit & (z > window)
    radius = ra + t * (rb - ra)
    normal = np.stack([x - t * (b[0] - a[0]), -(y - t * (b[1] - a[1])), rise], axis=-1) / radius[..., None]
    window[nearer] = z[nearer]
    colour[top:bottom, left:right][nearer] = shade(normal[nearer], base)


def surface(x: np.ndarray, y: np.ndarray, v: np.ndarray, ra: float, rb: float) -> tuple[np.ndarray, np.ndarray]:
    """Where rays along z first meet the limb from the origin to v (3,), radius ra to rb: (t, h²) at points (x, y).

    The sphere at t has its surface h = sqrt(Q(t)) above its centre, Q(t) = (ra + t (rb - ra))² - |(x, y) - t v_xy|².
    The nearest point maximises t v_z + sqrt(Q(t)), which is concave: the zero of its derivative, kept within 0 and 1,
    solves a quadratic equation. h² <= 0 is a miss.
    """
    m = rb - ra
    alpha = m * m - v[0] ** 2 - v[1] ** 2
    beta = 2 * ra * m + 2 * (x * v[0] + y * v[1])
    gamma = ra * ra - x * x - y * y
    if alpha < -1e-9:
        slope = beta * beta - alpha * (beta * beta - 4 * v[2] ** 2 * gamma) / (alpha - v[2] ** 2)
        t = np.clip((-beta - np.sign(v[2]) * np.sqrt(np.maximum(slope, 0.0))) / (2 * alpha), 0.0, 1.0)
    else:  # seen along its axis: the one end covers the other
        ends = [e * v[2] + np.sqrt(np.maximum(alpha * e * e + beta * e + gamma, 0.0)) for e in (0.0, 1.0)]
        t = np.where(ends[1] > ends[0], 1.0, 0.0)
    return t, alpha * t * t + beta * t + gamma


def shade(normal: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Colours (N, 3) of surface normals (N, 3): right, up, towards the eye."""
    light = _LIGHT / np.linalg.norm(_LIGHT)
    facing = normal @ light
    wrapped = np.clip(0.5 + 0.5 * facing, 0.0, 1.0) ** 1.6
    half = light + np.array([0.0, 0.0, 1.0])
    glint = np.clip(normal @ (half / np.linalg.norm(half)), 0.0, 1.0) ** 28
    level = 0.24 + 0.86 * wrapped
    return np.clip(base * level[:, None] + 0.2 * glint[:, None], 0.0, 1.0)


def _outline(depth: np.ndarray, scale: float) -> np.ndarray:
    """True (H, W) on the farther side of a step in depth, and inside the silhouette's border."""
    step = _EDGE_M * scale
    edge = np.zeros(depth.shape, bool)
    for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside = np.roll(depth, shift, axis)
        border = [slice(None), slice(None)]
        border[axis] = 0 if shift == 1 else -1
        beside[tuple(border)] = -np.inf
        with np.errstate(invalid="ignore"):  # -inf beside -inf is no step
            edge |= np.isfinite(depth) & ((beside - depth > step) | np.isneginf(beside))
    return edge


def shadow(positions: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """How dark (0-1) the floor is at points x, z (same shape) [m] under a body (22, 3): near limbs darkest."""
    if not np.isfinite(positions).all():
        return np.zeros(np.shape(x), np.float32)
    body = limbs(positions)
    share = np.array([0.1, 0.5, 0.9])[:, None]
    points = (body.a[:, None] * (1 - share) + body.b[:, None] * share).reshape(-1, 3)
    radius = (body.ra[:, None] * (1 - share[:, 0]) + body.rb[:, None] * share[:, 0]).ravel()
    high = np.maximum(points[:, 1] + SOLE_M - radius, 0.0)
    spread = radius + 0.13 * high
    weight = 0.55 * (radius / spread) ** 2
    dark = np.zeros(np.shape(x))
    for point, up, sigma, w in zip(points, high, spread, weight, strict=True):
        away = (x - point[0] - 0.22 * up) ** 2 + (z - point[2] + 0.12 * up) ** 2
        dark += w * np.exp(-away / (2 * sigma**2))
    return (1 - np.exp(-dark)).astype(np.float32)
