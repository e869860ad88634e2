"""A known motion, and writers of it in other systems' formats: each written here from the format, not by our reader."""

import io
import pickle
import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from engine.skeleton import JOINTS, OFFSETS_M, PARENTS, forward_kinematics

FPS = 30
J = {name: k for k, name in enumerate(JOINTS)}


def walk(frames=90):
    """Root (F, 3) [m] and rotations (F, 22, 4) xyzw: walking on a bend, left knee lifted, left arm up, neck turned to
    the right by 40 degrees. The lower foot joint is at y = 0 in every frame.
    """
    t = np.arange(frames) / FPS
    sway = np.sin(2 * np.pi * t)
    euler = np.zeros((frames, 22, 3))  # about x, y, z [deg]
    euler[:, J["pelvis"]] = np.stack([4 * sway, 30 * t, 3 * sway], -1)
    euler[:, J["spine1"]] = np.stack([10 + 5 * sway, 0 * t, 4 * sway], -1)
    euler[:, J["spine2"], 2] = -6 * sway
    euler[:, J["spine3"], 0] = -8
    euler[:, J["left_hip"], 0] = -80 - 8 * sway  # the thigh swings ahead
    euler[:, J["left_knee"], 0] = 90 + 10 * sway
    euler[:, J["right_hip"]] = np.stack([6 * sway, 0 * t, 3 * sway], -1)
    euler[:, J["right_knee"], 0] = 8 + 5 * sway
    euler[:, J["right_ankle"], 0] = -8
    euler[:, J["neck"], 1] = -40  # the nose goes to -x, the right
    euler[:, J["neck"], 0] = 15
    euler[:, J["left_shoulder"], 2] = 75 + 5 * sway
    euler[:, J["left_elbow"], 1] = -20
    euler[:, J["right_shoulder"], 2] = 70
    euler[:, J["right_elbow"], 1] = 30 + 20 * sway
    euler[:, J["left_collar"], 2] = 8
    rotations = Rotation.from_euler("yxz", euler[..., [1, 0, 2]].reshape(-1, 3), degrees=True).as_quat()
    rotations = rotations.reshape(frames, 22, 4)
    root = np.stack([0.3 * t, 0 * t, 0.4 + 0.2 * t**2], axis=-1)
    feet = forward_kinematics(root, rotations)[0][:, [J["left_foot"], J["right_foot"]], 1]
    root[:, 1] = -feet.min(axis=1)
    return root, rotations


def positions(offset_y_m=0.0, frames=90):
    """Joint positions (F, 22, 3) of the walk, higher by ``offset_y_m``."""
    root, rotations = walk(frames)
    return forward_kinematics(root + [0, offset_y_m, 0], rotations)[0]


def axis_angles(rotations):
    """(F, 22, 3) [rad]."""
    return Rotation.from_quat(rotations.reshape(-1, 4)).as_rotvec().reshape(*rotations.shape[:2], 3)


def z_up(points):
    """Y up -> Z up, right-handed."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def z_up_rotations(rotations):
    out = rotations.copy()
    out[:, 0] = (Rotation.from_euler("x", 90, degrees=True) * Rotation.from_quat(rotations[:, 0])).as_quat()
    return out


def bvh_text(
    root, rotations, names, *, offsets=OFFSETS_M, unit=100.0, order="ZXY", position_first=True, drop=(), frame_time=None
):
    """BVH of a motion; ``names`` are those of our 22, ``drop`` leaves of ours that become End Sites of their parent."""
    lines, columns = ["HIERARCHY"], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # gimbal lock: one of many right answers is written
        angles = Rotation.from_quat(rotations.reshape(-1, 4)).as_euler(order, degrees=True).reshape(len(root), 22, 3)
    turns = [f"{axis}rotation" for axis in order]

    def joint(k, indent):
        pad = "  " * indent
        lines.append(f"{pad}{'ROOT' if k == 0 else 'JOINT'} {names[k]}")
        x, y, z = offsets[k] * unit
        lines.extend([pad + "{", f"{pad}  OFFSET {x:.6f} {y:.6f} {z:.6f}"])
        moves = ["Zposition", "Xposition", "Yposition"] if k == 0 else []
        kinds = moves + turns if position_first else turns + moves
        lines.append(f"{pad}  CHANNELS {len(kinds)} {' '.join(kinds)}")
        place = {"Zposition": root[:, 2], "Xposition": root[:, 0], "Yposition": root[:, 1]}
        columns.extend(place[c] * unit if c in place else angles[:, k, turns.index(c)] for c in kinds)
        children = [c for c in range(22) if PARENTS[c] == k]
        for child in children:
            if child in drop:
                end(offsets[child] * unit, indent + 1)
            else:
                joint(child, indent + 1)
        if not children:
            end(np.array([0.0, -0.02, 0.05]) * unit, indent + 1)
        lines.append(pad + "}")

    def end(offset, indent):
        pad = "  " * indent
        x, y, z = offset
        lines.extend([f"{pad}End Site", pad + "{", f"{pad}  OFFSET {x:.6f} {y:.6f} {z:.6f}", pad + "}"])

    joint(0, 0)
    lines += ["MOTION", f"Frames: {len(root)}", f"Frame Time: {frame_time or f'{1 / FPS:.7f}'}"]
    lines += [" ".join(f"{v:.6f}" for v in row) for row in np.stack(columns, axis=1)]
    return "\n".join(lines) + "\n"


def csv_text(points, *, pattern="{}_{}", names=JOINTS, time=None, separator=","):
    """A table of positions (F, 22, 3); ``time`` is (header, values) of a first column."""
    header = [pattern.format(name, axis) for name in names for axis in "xyz"]
    rows = [[f"{v:.6f}" for v in row] for row in points.reshape(len(points), -1)]
    if time:
        header = [time[0], *header]
        rows = [[f"{t:.6f}", *row] for t, row in zip(time[1], rows, strict=True)]
    return "\n".join(separator.join(row) for row in [header, *rows]) + "\n"


class Thief:
    """Unpickled by a careless reader, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def pickled(value, protocol=4):
    file = io.BytesIO()
    pickle.Pickler(file, protocol).dump(value)
    return file.getvalue()


#: The names that other systems give our 22 joints, in our order.
SCHEMES = {
    "ours": JOINTS,
    "SMPL": (
        "Pelvis", "L_Hip", "R_Hip", "Spine1", "L_Knee", "R_Knee", "Spine2", "L_Ankle", "R_Ankle", "Spine3", "L_Foot",
        "R_Foot", "Neck", "L_Collar", "R_Collar", "Head", "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist",
        "R_Wrist",
    ),
    "Mixamo": tuple(f"mixamorig:{n}" for n in (
        "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot", "RightFoot", "Spine2",
        "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder", "Head", "LeftArm", "RightArm",
        "LeftForeArm", "RightForeArm", "LeftHand", "RightHand",
    )),
    "CMU": (
        "Hips", "LeftUpLeg", "RightUpLeg", "LowerBack", "LeftLeg", "RightLeg", "Spine", "LeftFoot", "RightFoot",
        "Spine1", "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder", "Head", "LeftArm", "RightArm",
        "LeftForeArm", "RightForeArm", "LeftHand", "RightHand",
    ),
    "CMU's ASF": (
        "root", "lfemur", "rfemur", "lowerback", "ltibia", "rtibia", "upperback", "lfoot", "rfoot", "thorax", "ltoes",
        "rtoes", "lowerneck", "lclavicle", "rclavicle", "head", "lhumerus", "rhumerus", "lradius", "rradius", "lwrist",
        "rwrist",
    ),
    "HumanIK": tuple(f"Character1_{n}" for n in (
        "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot", "RightFoot", "Spine2",
        "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder", "Head", "LeftArm", "RightArm",
        "LeftForeArm", "RightForeArm", "LeftHand", "RightHand",
    )),
    "Biovision": (
        "Hips", "LeftHip", "RightHip", "Chest", "LeftKnee", "RightKnee", "Chest2", "LeftAnkle", "RightAnkle", "Chest3",
        "LeftToe", "RightToe", "Neck", "LeftCollar", "RightCollar", "Head", "LeftShoulder", "RightShoulder",
        "LeftElbow", "RightElbow", "LeftWrist", "RightWrist",
    ),
    "Bandai": (
        "Hips", "UpperLeg_L", "UpperLeg_R", "Spine", "LowerLeg_L", "LowerLeg_R", "Chest", "Foot_L", "Foot_R",
        "UpperChest", "Toes_L", "Toes_R", "Neck", "Shoulder_L", "Shoulder_R", "Head", "UpperArm_L", "UpperArm_R",
        "LowerArm_L", "LowerArm_R", "Hand_L", "Hand_R",
    ),
    "Unreal": (
        "pelvis", "thigh_l", "thigh_r", "spine_01", "calf_l", "calf_r", "spine_02", "foot_l", "foot_r", "spine_03",
        "ball_l", "ball_r", "neck_01", "clavicle_l", "clavicle_r", "head", "upperarm_l", "upperarm_r", "lowerarm_l",
        "lowerarm_r", "hand_l", "hand_r",
    ),
    "VRM": (
        "hips", "leftUpperLeg", "rightUpperLeg", "spine", "leftLowerLeg", "rightLowerLeg", "chest", "leftFoot",
        "rightFoot", "upperChest", "leftToes", "rightToes", "neck", "leftShoulder", "rightShoulder", "head",
        "leftUpperArm", "rightUpperArm", "leftLowerArm", "rightLowerArm", "leftHand", "rightHand",
    ),
    "VRoid": tuple(f"J_Bip_{n}" for n in (
        "C_Hips", "L_UpperLeg", "R_UpperLeg", "C_Spine", "L_LowerLeg", "R_LowerLeg", "C_Chest", "L_Foot", "R_Foot",
        "C_UpperChest", "L_ToeBase", "R_ToeBase", "C_Neck", "L_Shoulder", "R_Shoulder", "C_Head", "L_UpperArm",
        "R_UpperArm", "L_LowerArm", "R_LowerArm", "L_Hand", "R_Hand",
    )),
    "Rigify": (
        "pelvis", "thigh.L", "thigh.R", "spine", "shin.L", "shin.R", "spine.001", "foot.L", "foot.R", "chest", "toe.L",
        "toe.R", "neck", "shoulder.L", "shoulder.R", "head", "upper_arm.L", "upper_arm.R", "forearm.L", "forearm.R",
        "hand.L", "hand.R",
    ),
    "Biped": tuple(f"Bip01 {n}" for n in (
        "Pelvis", "L Thigh", "R Thigh", "Spine", "L Calf", "R Calf", "Spine1", "L Foot", "R Foot", "Spine2", "L Toe0",
        "R Toe0", "Neck", "L Clavicle", "R Clavicle", "Head", "L UpperArm", "R UpperArm", "L Forearm", "R Forearm",
        "L Hand", "R Hand",
    )),
    "Poser": (
        "hip", "lThigh", "rThigh", "abdomen", "lShin", "rShin", "chest", "lFoot", "rFoot", "upperChest", "lToe", "rToe",
        "neck", "lCollar", "rCollar", "head", "lShldr", "rShldr", "lForeArm", "rForeArm", "lHand", "rHand",
    ),
    "Kinect": (
        "SpineBase", "HipLeft", "HipRight", "SpineLow", "KneeLeft", "KneeRight", "SpineMid", "AnkleLeft", "AnkleRight",
        "SpineShoulder", "FootLeft", "FootRight", "Neck", "CollarLeft", "CollarRight", "Head", "ShoulderLeft",
        "ShoulderRight", "ElbowLeft", "ElbowRight", "WristLeft", "WristRight",
    ),
}  # fmt: skip
