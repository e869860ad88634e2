// House axes to Unreal's, and house rotations onto any skeletal mesh. Plain C++17.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "frame.h"

namespace corybant {

/// Position [m] to Unreal component space [cm] of a mesh that faces +Y, as the mannequin does: left-handed, Z up, the
/// dancer's left at +X.
inline Vec3 unreal_position(Vec3 p) { return {100 * p.x, 100 * p.z, 100 * p.y}; }

/// The same for rotations: the swap of Y and Z is a mirror, which turns the other way round.
inline Quat unreal_rotation(Quat q) { return {-q.x, -q.z, -q.y, q.w}; }

/// Bone of the Unreal mannequin for each house joint. UE5's spine_04 and spine_05 follow spine_03.
inline const std::map<std::string, std::string>& mannequin_bones() {
    static const std::map<std::string, std::string> bones{
        {"pelvis", "pelvis"},          {"spine1", "spine_01"},          {"spine2", "spine_02"},
        {"spine3", "spine_03"},        {"neck", "neck_01"},             {"head", "head"},
        {"left_hip", "thigh_l"},       {"right_hip", "thigh_r"},        {"left_knee", "calf_l"},
        {"right_knee", "calf_r"},      {"left_ankle", "foot_l"},        {"right_ankle", "foot_r"},
        {"left_foot", "ball_l"},       {"right_foot", "ball_r"},        {"left_collar", "clavicle_l"},
        {"right_collar", "clavicle_r"}, {"left_shoulder", "upperarm_l"}, {"right_shoulder", "upperarm_r"},
        {"left_elbow", "lowerarm_l"},  {"right_elbow", "lowerarm_r"},   {"left_wrist", "hand_l"},
        {"right_wrist", "hand_r"},
    };
    return bones;
}

/// The least turn that brings direction `from` to `to` (any lengths).
inline Quat shortest_arc(Vec3 from, Vec3 to) {
    const double norms = length(from) * length(to);
    if (norms < 1e-12) return {};
    const double w = norms + dot(from, to);
    if (w < 1e-9 * norms) {  // opposite: half a turn about anything across
        Vec3 axis = cross(from, std::abs(from.x) < std::abs(from.z) ? Vec3{1, 0, 0} : Vec3{0, 0, 1});
        axis = axis * (1 / length(axis));
        return {axis.x, axis.y, axis.z, 0};
    }
    const Vec3 axis = cross(from, to);
    const double norm = std::sqrt(dot(axis, axis) + w * w);
    return {axis.x / norm, axis.y / norm, axis.z / norm, w / norm};
}

/// A bone of a mesh at rest, component space (Unreal axes, any unit of length).
struct RestBone {
    Vec3 position;
    Quat rotation;
};

/// Where each joint's limb points: the child that continues it, or -1. A pelvis or chest has several children; the one
/// that goes on up the spine counts. Collars are left as the artist set them, as are the feet.
inline std::vector<int> limb_children(const Skeleton& skeleton) {
    static const std::map<std::string, std::string> limbs{
        {"left_shoulder", "left_elbow"}, {"left_elbow", "left_wrist"}, {"right_shoulder", "right_elbow"},
        {"right_elbow", "right_wrist"},  {"left_hip", "left_knee"},    {"left_knee", "left_ankle"},
        {"right_hip", "right_knee"},     {"right_knee", "right_ankle"},
    };
    std::vector<int> children(skeleton.names.size(), -1);
    for (std::size_t j = 0; j < skeleton.names.size(); ++j) {
        const auto limb = limbs.find(skeleton.names[j]);
        if (limb == limbs.end()) continue;
        for (std::size_t c = 0; c < skeleton.names.size(); ++c)
            if (skeleton.names[c] == limb->second) children[j] = static_cast<int>(c);
    }
    return children;
}

/// Rest rotations of the mesh as they would be in the T-pose: a mesh at rest in an A-pose (the mannequin) has its arms
/// and legs turned until they point where ours do; a hand or foot turns with its limb. `rest` has one bone a joint.
inline std::vector<Quat> t_pose_rest(const Skeleton& skeleton, const std::vector<RestBone>& rest) {
    const std::vector<int> children = limb_children(skeleton);
    std::vector<Quat> turns(rest.size()), rotations(rest.size());
    for (std::size_t j = 0; j < rest.size(); ++j) {
        const int child = children[j];
        if (child >= 0) {
            const auto c = static_cast<std::size_t>(child);
            turns[j] = shortest_arc(rest[c].position - rest[j].position, unreal_position(skeleton.offsets[c]));
        } else if (skeleton.parents[j] >= 0 && children[static_cast<std::size_t>(skeleton.parents[j])] == static_cast<int>(j)) {
            turns[j] = turns[static_cast<std::size_t>(skeleton.parents[j])];
        }
        rotations[j] = turns[j] * rest[j].rotation;
    }
    return rotations;
}

/// Component space rotations of the mesh's bones for a dancer's local rotations (house axes); one per joint.
inline std::vector<Quat> pose_mesh(const Skeleton& skeleton, const std::vector<Quat>& t_pose, const std::vector<Quat>& locals) {
    std::vector<Quat> turns = globals(skeleton, locals);
    for (std::size_t j = 0; j < turns.size(); ++j) turns[j] = unreal_rotation(turns[j]) * t_pose[j];
    return turns;
}

}  // namespace corybant
